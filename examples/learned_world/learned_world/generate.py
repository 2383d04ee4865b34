"""How the world's diffusion pipeline is asked for pictures."""

from __future__ import annotations

from pathlib import Path

from ovseg.support.diffusion.config import DiffusionConfig

SIDE = 128
"""Side of its pictures in pixels."""

PROMPTS = Path(__file__).parent / "data" / "diffusion.toml"
"""Patterns of its prompts for support pictures."""


def generation(pipeline: Path, shots: int) -> DiffusionConfig:
    """Settings for so many pictures a name; of names that it draws badly, more are asked for than usual."""
    return DiffusionConfig(
        model=str(pipeline),
        shots=shots,
        draws=4.0,
        steps=15,
        guidance=8.0,
        prompts=str(PROMPTS),
        licence="Apache-2.0",
        attribution=False,
    )
