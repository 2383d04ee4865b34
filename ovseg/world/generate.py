"""How the world's diffusion pipeline is asked for pictures."""

from __future__ import annotations

from pathlib import Path

from ovseg.prompts import prompt_path
from ovseg.support.diffusion.config import DiffusionConfig

SIDE = 128
"""Side of its pictures in pixels."""


def generation(pipeline: Path, shots: int) -> DiffusionConfig:
    """Settings for so many pictures a name; of names that it draws badly, more are asked for than usual."""
    return DiffusionConfig(
        model=str(pipeline),
        shots=shots,
        draws=4.0,
        steps=15,
        guidance=8.0,
        prompts=str(prompt_path("diffusion_world.toml")),
        licence="Apache-2.0",
        attribution=False,
    )
