"""The table of encoders by the prefix of their specs: who finds and loads a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovseg.errors import UsageError
from ovseg.plugin_settings import PluginSettings, canonical_query
from ovseg.registry import Registry, registry_of
from ovseg.weights.spec import ModelSpec

if TYPE_CHECKING:
    import torch

    from ovseg.encoders.base import Backbone, ImageTextEncoder
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
        device: Where it computes.
        dtype: Of its weights.
        cache_dir: Folder of what it keeps between runs; None: the user's cache.
        settings: An instance of the settings that the encoder declares; None: it declares none.
        variant: Image-text encoders: the dense variant that was asked for; None: its own.
        templates: Likewise the set of templates.
    """

    spec: ModelSpec
    device: torch.device
    dtype: torch.dtype
    cache_dir: Path | None = None
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
    """What loads a backbone.

    Raises:
        UsageError: Its encoder has no backbones.
    """
    read = _scheme(spec).backbone
    if read is None:
        raise UsageError(f"{spec} has no patch features: take another model")
    return read


def image_text_reader(spec: ModelSpec) -> Callable[[ModelRequest], ImageTextEncoder]:
    """The same for an image-text encoder."""
    read = _scheme(spec).image_text
    if read is None:
        raise UsageError(f"{spec} is no image-text encoder: take another model")
    return read


def settings_of(spec: ModelSpec) -> Any:
    """Settings of the encoder as a spec has them; None: it declares none."""
    if spec.source not in ENCODERS:
        return None
    plain = PluginSettings("encoder")
    return plain.overlaid_query(spec.source, spec.options).of(spec.source)


def with_options(spec: ModelSpec, options: dict[str, str]) -> ModelSpec:
    """A spec with settings of its encoder, as text, where it does not have them itself."""
    if spec.source not in options:
        return spec
    query = canonical_query("encoder", spec.source, options[spec.source], spec.options)
    return replace(spec, options=query)


def _scheme(spec: ModelSpec) -> EncoderScheme:
    # A name on record without a spec is that of a file, read as what its folder says it is.
    return ENCODERS.get("local-dir" if spec.source == "recorded" else spec.source)
