"""Flags of the commands that generate support images; they set ``DiffusionConfig``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ovseg.cli.flags import flag, flags, setting
from ovseg.support.diffusion.config import DiffusionConfig

__all__ = ["DIFFUSION", "DiffusionFlags", "GenerateDtypeFlag", "GeneratedFlag", "SamplingFlags"]

DIFFUSION = DiffusionConfig()
_setting = partial(setting, of=DIFFUSION)


@flags("Image generation")
class SamplingFlags:
    """How a diffusion model is sampled."""

    layout: str | None = _setting(
        "layout", "For a .safetensors file: folder of a model of the same architecture.", metavar="FOLDER"
    )
    steps: int = _setting("steps", "Denoising steps.")
    guidance: float = _setting("guidance", "Scale of classifier-free guidance; 1 or less: none.")
    scheduler: str = _setting(
        "scheduler",
        "auto (DPM-Solver++ where it fits the model), dpmsolver++, ddim, or native: the model's own.",
    )
    size: int | None = _setting(
        "size", "Height and width of generated images. Default: the model's own.", metavar="PIXELS"
    )
    generate_batch: int = _setting("batch_size", "Generated images per batch; 0: 1 on a CPU, 8 on a GPU.")


@flags("Image generation")
class DiffusionFlags(SamplingFlags):
    """How pictures of a class are generated."""

    model: str = _setting(
        "model",
        "Text-to-image model of diffusers: a folder, a .safetensors file, or a hub name whose files are in"
        " the cache (nothing is downloaded).",
    )
    revision: str | None = _setting("revision", "Commit, tag or branch of a hub model.")
    licence: str | None = _setting(
        "licence", "Licence of the model, recorded with every generated image.", metavar="TEXT"
    )
    first_seed: int = _setting(
        "seed", "Random seed of the first image of each class; the others count up from it."
    )
    prompts: str | None = _setting(
        "prompts", "TOML file of prompt templates. Default: the shipped ones.", metavar="FILE"
    )
    attributes: int = _setting(
        "attributes", "How many appearance attributes follow a class's name in the prompt."
    )
    attribution: bool = _setting(
        "attribution",
        "Record the cross-attention maps of the class's name.",
        "--attribution/--no-attribution",
    )
    margin: float | None = _setting(
        "margin",
        "Keep a generated image if the log-probability of its class exceeds that of every other word by"
        " this.",
    )
    draws: float = _setting("draws", "At most this many generated images for each one that is kept.")


@flags("Image generation")
class GeneratedFlag:
    """Where generated images are kept."""

    generated: Path | None = flag(
        "Folder in which generated images are kept. Default: in ovseg's cache.", metavar="FOLDER"
    )


@flags("Run")
class GenerateDtypeFlag:
    """Precision of the diffusion model, for commands whose --dtype that is."""

    generate_dtype: str = _setting(
        "dtype", "Precision: auto (float16 on CUDA, else float32), float32, bfloat16 or float16.", "--dtype"
    )
