"""What a command was asked for, from all the places where it can be said.

A flag wins over the environment (``OVSEG_<FLAG>``), that over the configuration file, that over the preset,
that over the default. ``--set`` counts as a flag; a flag of its own wins over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ovseg.cli.config_merge import nested, parse_assignment, read_toml
from ovseg.config import SegmentConfig
from ovseg.overrides import overlay
from ovseg.plugin_settings import PluginSettings
from ovseg.runs.config import RunConfig, parse_shard

if TYPE_CHECKING:
    from ovseg.encoders.roles import ModelChoice

__all__ = ["DEFAULTS", "FLAGS", "InputSettings", "Settings", "resolve"]


@dataclass(frozen=True)
class InputSettings:
    """Which files of the inputs count.

    Attributes:
        recursive: Whether folders are searched to the bottom.
        include: Patterns, of which a file must match one.
        exclude: Patterns of files and folders to leave out.
    """

    recursive: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, in the shape of a configuration file.

    Attributes:
        preset: Name of the preset.
        image_text_encoder: Image-text encoder, in place of the preset's; None: the preset's.
        backbone: Patch-feature backbone, likewise.
        prototype_backbone: Prototype backbone, likewise.
        dense_variant: Method for patch features of CLIP; None: as the preset says.
        templates: Set of templates into which CLIP's words are put; None: as the preset says.
        device: Where to compute.
        dtype: In which precision.
        cache_dir: Folder of converted weights; None: the user's cache folder.
        classes: Values as ``-c`` takes them.
        classes_file: A file with a class a line.
        vocabulary: A shipped vocabulary or a TOML file.
        background: Whether a pixel may be none of the classes; None: as the vocabulary says (yes by default).
        bank: A bank file that says what classes look like.
        pool: ``self`` or a pool, of which a bank is made for the run.
        inputs: Which files count.
        segment: How images are segmented.
        run: How the run goes about it.
        encoder: Settings that encoders of plug-ins declare, by encoder.
        format: Likewise those of output formats.
        dataset: Likewise those of data sets.
    """

    preset: str = "auto"
    image_text_encoder: str | None = None
    backbone: str | None = None
    prototype_backbone: str | None = None
    dense_variant: str | None = None
    templates: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    cache_dir: str | None = None
    classes: tuple[str, ...] = ()
    classes_file: str | None = None
    vocabulary: str | None = None
    background: bool | None = None
    bank: str | None = None
    pool: str | None = None
    inputs: InputSettings = field(default_factory=InputSettings)
    segment: SegmentConfig = field(default_factory=SegmentConfig)
    run: RunConfig = field(default_factory=RunConfig)
    encoder: PluginSettings = field(default_factory=partial(PluginSettings, "encoder"))
    format: PluginSettings = field(default_factory=partial(PluginSettings, "format"))
    dataset: PluginSettings = field(default_factory=partial(PluginSettings, "dataset"))

    @property
    def roles(self) -> ModelChoice:
        """Models that take the place of the preset's own."""
        from ovseg.encoders.roles import ModelChoice

        models = (self.image_text_encoder, self.backbone, self.prototype_backbone)
        return ModelChoice(*models, self.dense_variant, self.templates, self.encoder.queries())


DEFAULTS = Settings()

FLAGS: dict[str, str] = {
    "preset": "preset",
    "image_text_encoder": "image_text_encoder",
    "backbone": "backbone",
    "prototype_backbone": "prototype_backbone",
    "dense_variant": "dense_variant",
    "templates": "templates",
    "device": "device",
    "dtype": "dtype",
    "cache_dir": "cache_dir",
    "classes": "classes",
    "classes_file": "classes_file",
    "vocabulary": "vocabulary",
    "background": "background",
    "bank": "bank",
    "pool": "pool",
    "recursive": "inputs.recursive",
    "include": "inputs.include",
    "exclude": "inputs.exclude",
    "image_size": "segment.encoding.image_size",
    "refine": "segment.refinement.refine",
    "abstain": "segment.refinement.abstain",
    "seed": "segment.region_pooling.seed",
    "format": "run.formats",
    "batch_size": "run.batch_size",
    "workers": "run.workers",
    "limit": "run.limit",
    "shard": "run.shard",
    "overwrite": "run.overwrite",
    "fail_fast": "run.fail_fast",
}
"""Where in ``Settings`` the value of each parameter of a command goes."""


def _split(values: Sequence[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


_READERS: dict[str, Callable[[Any], Any]] = {"format": _split, "shard": parse_shard}
"""How a parameter's text becomes the value in ``Settings``, where it is not the text itself."""


def resolve(ctx: typer.Context, *, config: str | None, assignments: Sequence[str]) -> Settings:
    """Gather the settings of a command from its file, environment and flags.

    Args:
        ctx: The command's context; parameters named in ``FLAGS`` count.
        config: Path of a configuration file.
        assignments: Values of ``--set``.

    Raises:
        ConfigError: An unknown key, or a value of the wrong type or out of range.
        InputError: The configuration file cannot be read.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if config is not None:
        layers.append((config, read_toml(Path(config))))
    layers += _given(ctx, "ENVIRONMENT")
    layers += [("--set", parse_assignment(text)) for text in assignments]
    layers += _given(ctx, "COMMANDLINE")
    settings = DEFAULTS
    for where, table in layers:
        settings = overlay(settings, table, where)
    return settings


def _given(ctx: typer.Context, source: str) -> list[tuple[str, Mapping[str, Any]]]:
    """What one source gave, a layer a parameter."""
    layers: list[tuple[str, Mapping[str, Any]]] = []
    for name, path in FLAGS.items():
        origin = ctx.get_parameter_source(name)
        if origin is None or origin.name != source:
            continue
        value = ctx.params[name]
        if source == "ENVIRONMENT" and isinstance(value, (list, tuple)):
            value = [" ".join(value)]  # click cuts lists of the environment at spaces, which names may hold
        flag = f"OVSEG_{name.upper()}" if source == "ENVIRONMENT" else f"--{name.replace('_', '-')}"
        layers.append((flag, nested(path, _READERS.get(name, lambda given: given)(value))))
    return layers
