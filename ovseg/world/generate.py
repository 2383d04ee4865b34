"""How the world's diffusion pipeline is asked for pictures."""

from __future__ import annotations

from pathlib import Path

from ovseg.support.diffusion.config import DiffusionConfig

SIDE = 64
"""Side of its pictures in pixels."""


def generation(pipeline: Path, shots: int) -> DiffusionConfig:
    """Settings for so many pictures a name."""
    return DiffusionConfig(model=str(pipeline), shots=shots, steps=15, guidance=3.0, licence="Apache-2.0")
