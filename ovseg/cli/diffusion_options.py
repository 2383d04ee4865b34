"""Flags of commands that generate pictures; defaults come from ``DiffusionConfig``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from ovseg.cli.common import option
from ovseg.support.diffusion.config import DiffusionConfig

__all__ = ["DEFAULT", "diffusion_config"]

DEFAULT = DiffusionConfig()


Model = Annotated[
    str,
    option(
        "--model",
        help="Text-to-image pipeline of diffusers: a folder, a .safetensors file, or a name on the hub whose"
        " files are here (nothing is downloaded).",
    ),
]
Revision = Annotated[str | None, option("--revision", help="Commit, tag or branch of a hub model.")]
Layout = Annotated[
    str | None,
    option("--layout", help="For a .safetensors file: folder of a pipeline of the same architecture."),
]
Licence = Annotated[
    str | None, option("--licence", help="Licence of the model, to be recorded with every picture.")
]
Prompts = Annotated[
    str | None, option("--prompts", help="TOML file of prompt patterns. Default: the shipped ones.")
]
Attributes = Annotated[
    int, option("--attributes", help="How many of a class's attributes follow its name in the prompt.")
]
Steps = Annotated[int, option("--steps", help="Denoising steps.")]
Guidance = Annotated[
    float, option("--guidance", help="Scale of classifier-free guidance; up to 1 there is none.")
]
Scheduler = Annotated[
    str,
    option(
        "--scheduler",
        help="auto (DPM-Solver++ where it fits the model), dpmsolver++, ddim, or native: the pipeline's own.",
    ),
]
Size = Annotated[int | None, option("--size", help="Side of pictures in pixels. Default: the model's own.")]
GenerateBatch = Annotated[
    int, option("--generate-batch", help="Pictures at a time; 0: 1 on a CPU, 8 on a GPU.")
]
FirstSeed = Annotated[
    int, option("--first-seed", help="Seed of the first picture of a class; the next ones count up.")
]
Attribution = Annotated[
    bool,
    option("--attribution/--no-attribution", help="Record where the model drew the class's name."),
]
Margin = Annotated[
    float | None,
    option("--margin", help="Least margin by which a picture must look like its class to be kept."),
]
Draws = Annotated[
    float, option("--draws", help="How many pictures are made at most for each one that is wanted.")
]

Generated = Annotated[
    Path | None,
    option("--generated", help="Folder in which generated pictures are kept. Default: in the cache."),
]

# A command's own --seed, --dtype and --batch-size are of its encoders.
_FIELD_OF = {"generate_batch": "batch_size", "first_seed": "seed", "generate_dtype": "dtype"}


def diffusion_config(params: Mapping[str, Any], **changes: Any) -> DiffusionConfig:
    """The settings among a command's parameters.

    Raises:
        ConfigError: A value is out of range.
    """
    known = {field.name for field in fields(DiffusionConfig)} - set(_FIELD_OF.values())
    named = {
        _FIELD_OF.get(name, name): value for name, value in params.items() if name in known | set(_FIELD_OF)
    }
    return DiffusionConfig(**(named | changes))
