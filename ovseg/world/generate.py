"""How the world's diffusion pipeline is asked for pictures."""

from __future__ import annotations

from pathlib import Path

from ovseg.support.diffusion.config import DiffusionConfig

SIDE = 64
"""Side of its pictures in pixels."""


FRAME = 3
"""Cells of continued edge around them while they are encoded: what they show fills them, as in no scene."""


def generation(pipeline: Path, shots: int) -> DiffusionConfig:
    """Settings for so many pictures a name."""
    return DiffusionConfig(
        model=str(pipeline), shots=shots, steps=15, guidance=5.0, licence="Apache-2.0", attribution=False
    )
