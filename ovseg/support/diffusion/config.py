"""Settings of generated support images; defaults are those of OVDiff (Karazija et al., ECCV 2024)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ovseg.errors import ConfigError

__all__ = ["SCHEDULERS", "DiffusionConfig"]

SCHEDULERS = ("auto", "dpmsolver++", "ddim", "native")
"""``auto``: DPM-Solver++ (Lu et al., 2022), or the pipeline's own one where that does not fit the model;
``native``: always the pipeline's own."""


@dataclass(frozen=True)
class DiffusionConfig:
    """How pictures of a class are generated and chosen.

    Attributes:
        model: A text-to-image pipeline of diffusers: a folder, a ``.safetensors`` file, or a name on the hub
            whose files are on this machine (nothing is downloaded).
        revision: Commit, tag or branch of a hub model.
        layout: For a single file: folder of a pipeline with the same architecture, whose configuration and
            tokenizer are used (its weights are not read).
        licence: Licence of the model, where neither its files nor ovseg's record tell it.
        prompts: TOML file of prompt patterns; None takes the shipped ``prompts/diffusion.toml``.
        attributes: How many of a class's attributes follow its name in the prompt.
        shots: Pictures a class.
        steps: Denoising steps.
        guidance: Scale of classifier-free guidance; up to 1 there is none.
        scheduler: One of ``SCHEDULERS``.
        size: Side of the pictures in pixels; None takes the model's own.
        batch_size: Pictures at a time; 0 takes 1 on a CPU and 8 on a GPU.
        dtype: ``auto`` (float16 on CUDA, float32 elsewhere), ``float32``, ``bfloat16`` or ``float16``.
        seed: Seed of the first picture of every class; the next ones count up.
        attribution: Whether to record cross-attention.
        margin: Least logarithm of the class's probability over that of the best other word, as the
            image-text encoder sees a picture; below it the picture is replaced. None accepts all pictures.
        duplicate: Correlation of two pictures' thumbnails from which the later one is a duplicate.
        draws: How many pictures may be made at most for each one that is wanted.

    Raises:
        ConfigError: A value is out of range.
    """

    model: str = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    revision: str | None = None
    layout: str | None = None
    licence: str | None = None
    prompts: str | None = None
    attributes: int = 0
    shots: int = 32
    steps: int = 30
    guidance: float = 8.0
    scheduler: str = "auto"
    size: int | None = None
    batch_size: int = 0
    dtype: str = "auto"
    seed: int = 42
    attribution: bool = True
    margin: float | None = -0.7
    duplicate: float = 0.98
    draws: float = 2.0

    def __post_init__(self) -> None:
        if self.scheduler not in SCHEDULERS:
            raise ConfigError(f"scheduler must be one of {', '.join(SCHEDULERS)}, not {self.scheduler!r}")
        for name, least in (("shots", 1), ("steps", 1), ("batch_size", 0), ("seed", 0), ("attributes", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.size is not None and not 8 <= self.size <= 4096:
            raise ConfigError(f"size must be between 8 and 4096 pixels, not {self.size}")
        if not 0 <= self.guidance < math.inf:
            raise ConfigError(f"guidance must be a number of at least 0, not {self.guidance}")
        if self.margin is not None and not math.isfinite(self.margin):
            raise ConfigError(f"margin must be a number, not {self.margin}")
        if not 0 < self.duplicate <= 1:
            raise ConfigError(f"duplicate must be above 0 and at most 1, not {self.duplicate}")
        if not 1 <= self.draws <= 100:
            raise ConfigError(f"draws must be between 1 and 100, not {self.draws}")

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-able values."""
        return asdict(self)
