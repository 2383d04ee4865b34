"""The registry of encoders by the prefix of their specs: functions that find and load a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ovseg.errors import UsageError
from ovseg.plugin_settings import PluginSettings, canonical_query
from ovseg.registry import Registry, registry_of
from ovseg.weights.spec import ModelSpec

if TYPE_CHECKING:
    from ovseg.encoders.base import Backbone, ImageTextEncoder
    from ovseg.encoders.context import LoadContext
    from ovseg.weights.cards import WeightCard

__all__ = [
    "ENCODERS",
    "EncoderScheme",
    "ModelRequest",
    "backbone_reader",
    "image_text_reader",
    "settings_of",
    "with_options",
]


@dataclass(frozen=True)
class ModelRequest:
    """A model that is to be loaded.

    Attributes:
        spec: Which one.
        context: Device, dtype and cache folder.
        settings: An instance of the settings that the encoder declares; None: it declares none.
        variant: Dense variant of an image-text encoder; None: its own.
        templates: Set of prompt templates, likewise.
    """

    spec: ModelSpec
    context: LoadContext
    settings: Any = None
    variant: str | None = None
    templates: str | None = None


@dataclass(frozen=True)
class EncoderScheme:
    """How the models behind one prefix are found and loaded.

    Attributes:
        card: The weights that a spec means, with licence; raises ``UnknownName`` where there is none such.
        backbone: Loads a patch-feature or prototype backbone; None: there is none behind this prefix.
        image_text: Likewise an image-text encoder.
    """

    card: Callable[[ModelSpec], WeightCard]
    backbone: Callable[[ModelRequest], Backbone] | None = None
    image_text: Callable[[ModelRequest], ImageTextEncoder] | None = None


ENCODERS: Registry[EncoderScheme] = registry_of("encoder")
"""Encoders by the prefix of their specs; ``open_clip`` stands for specs without one."""


def backbone_reader(spec: ModelSpec) -> Callable[[ModelRequest], Backbone]:
    """Return the function that loads a backbone.

    Raises:
        UsageError: Its encoder has no backbones.
    """
    read = _scheme(spec).backbone
    if read is None:
        raise UsageError(f"{spec} has no patch features: take another model")
    return read


def image_text_reader(spec: ModelSpec) -> Callable[[ModelRequest], ImageTextEncoder]:
    """Return the function that loads an image-text encoder; raises likewise."""
    read = _scheme(spec).image_text
    if read is None:
        raise UsageError(f"{spec} is no image-text encoder: take another model")
    return read


def settings_of(spec: ModelSpec) -> Any:
    """Return the settings of the encoder as a spec has them; None: it declares none."""
    if spec.source not in ENCODERS:
        return None
    plain = PluginSettings("encoder")
    return plain.overlaid_query(spec.source, spec.options).of(spec.source)


def with_options(spec: ModelSpec, options: dict[str, str]) -> ModelSpec:
    """Return a spec with settings of its encoder, as text, where it does not have them itself."""
    if spec.source not in options:
        return spec
    query = canonical_query("encoder", spec.source, options[spec.source], spec.options)
    return replace(spec, options=query)


def _scheme(spec: ModelSpec) -> EncoderScheme:
    # A name on record without a spec is that of a file, read as what its folder says it is.
    return ENCODERS.get("local-dir" if spec.source == "recorded" else spec.source)
