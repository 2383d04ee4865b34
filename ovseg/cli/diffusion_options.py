"""Flags of commands that generate pictures; defaults come from ``DiffusionConfig``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from ovseg.support.diffusion.config import DiffusionConfig

__all__ = ["DEFAULT", "diffusion_config"]

DEFAULT = DiffusionConfig()


def _option(*flags: str, **settings: Any) -> Any:
    return typer.Option(*flags, show_envvar=False, **settings)


Model = Annotated[
    str,
    _option(
        "--model",
        help="Text-to-image pipeline of diffusers: a folder, a .safetensors file, or a name on the hub whose"
        " files are here (nothing is downloaded).",
    ),
]
Revision = Annotated[str | None, _option("--revision", help="Commit, tag or branch of a hub model.")]
Layout = Annotated[
    str | None,
    _option("--layout", help="For a .safetensors file: folder of a pipeline of the same architecture."),
]
Licence = Annotated[
    str | None, _option("--licence", help="Licence of the model, to be recorded with every picture.")
]
Prompts = Annotated[
    str | None, _option("--prompts", help="TOML file of prompt patterns. Default: the shipped ones.")
]
Attributes = Annotated[
    int, _option("--attributes", help="How many of a class's attributes follow its name in the prompt.")
]
Steps = Annotated[int, _option("--steps", help="Denoising steps.")]
Guidance = Annotated[
    float, _option("--guidance", help="Scale of classifier-free guidance; up to 1 there is none.")
]
Scheduler = Annotated[
    str,
    _option(
        "--scheduler",
        help="auto (DPM-Solver++ where it fits the model), dpmsolver++, ddim, or native: the pipeline's own.",
    ),
]
Size = Annotated[int | None, _option("--size", help="Side of pictures in pixels. Default: the model's own.")]
GenerateBatch = Annotated[
    int, _option("--generate-batch", help="Pictures at a time; 0: 1 on a CPU, 8 on a GPU.")
]
FirstSeed = Annotated[
    int, _option("--first-seed", help="Seed of the first picture of a class; the next ones count up.")
]
Attribution = Annotated[
    bool,
    _option("--attribution/--no-attribution", help="Record where the model drew the class's name."),
]
Margin = Annotated[
    float | None,
    _option("--margin", help="Least margin by which a picture must look like its class to be kept."),
]
Draws = Annotated[
    float, _option("--draws", help="How many pictures are made at most for each one that is wanted.")
]

Generated = Annotated[
    Path | None,
    _option("--generated", help="Folder in which generated pictures are kept. Default: in the cache."),
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
