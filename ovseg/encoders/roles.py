"""Encoders by role, each by the spec of its model: what presets are made of, and what flags override."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from ovseg.encoders.base import ImageTextEncoder
from ovseg.encoders.schemes import ModelRequest, image_text_reader, settings_of, with_options
from ovseg.encoders.sources import card_for
from ovseg.encoders.suggestions import suggest_names
from ovseg.errors import UnknownName, UsageError
from ovseg.prompts import template_sets
from ovseg.weights.cards import WeightCard
from ovseg.weights.spec import parse_spec


@dataclass(frozen=True)
class ModelChoice:
    """Which model plays which role; None: the preset's own.

    Attributes:
        image_text_encoder: Image-text encoder: a spec of open_clip.
        backbone: Patch-feature backbone: a spec of a visual encoder.
        prototype_backbone: Prototype backbone: a spec of a visual encoder or a diffusion pipeline.
        dense_variant: How CLIP is read patch by patch (``ovseg.encoders.clip.variants``).
        templates: Name of the set of templates into which CLIP's words are put (``prompts/templates/``).
        options: Settings of plug-ins' encoders, as (encoder, ``key=value&key=value``): they go into the specs
            of the models that these encoders read (:meth:`applied`); what a spec says itself counts more.
    """

    image_text_encoder: str | None = None
    backbone: str | None = None
    prototype_backbone: str | None = None
    dense_variant: str | None = None
    templates: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    def over(self, other: ModelChoice) -> ModelChoice:
        """These where they are given, those of ``other`` elsewhere."""
        return ModelChoice(*(getattr(self, f.name) or getattr(other, f.name) for f in fields(self)))

    @property
    def given(self) -> dict[str, str]:
        """What is given, by the flag that gives it; ``options`` are none until they are applied."""
        pairs = ((flag, getattr(self, name)) for name, flag in FLAGS.items())
        return {flag: value for flag, value in pairs if value}

    def named(self, preset: str) -> str:
        """A preset's name with these behind it, as :func:`split_flags` reads it."""
        return " ".join((preset, *(f"{flag} {value}" for flag, value in self.given.items())))

    def applied(self) -> ModelChoice:
        """The same with ``options`` in the specs, and none left; raises as :meth:`cards` does."""
        options = dict(self.options)
        if not options:
            return self
        changed: dict[str, Any] = {}
        for name in ("image_text_encoder", "backbone", "prototype_backbone"):
            spec = getattr(self, name)
            meant = parse_spec(card_for(spec).spec or spec) if spec else None
            if meant is not None and meant.source in options:
                changed[name] = str(with_options(meant, options))
        return replace(self, options=(), **changed)

    def beside(self, other: ModelChoice) -> ModelChoice:
        """Those of these that ``other`` has not."""
        own = {name: getattr(self, name) for name in FLAGS if getattr(self, name) != getattr(other, name)}
        return ModelChoice(**own)

    def cards(self) -> tuple[WeightCard, ...]:
        """Weights of the models that are given, each once.

        Raises:
            UsageError: A spec is malformed.
            UnknownName: There is no such model, variant or set of templates.
            WeightsUnavailable: A local file or folder is not there.
        """
        if self.dense_variant:
            from ovseg.encoders.clip.variants import dense_variant

            dense_variant(self.dense_variant)
        if self.templates and self.templates not in template_sets():
            near = suggest_names(self.templates, template_sets())
            raise UnknownName(f"unknown templates {self.templates!r}: {near}")
        return tuple(
            dict.fromkeys(
                card_for(spec)
                for spec in (self.image_text_encoder, self.backbone, self.prototype_backbone)
                if spec
            )
        )


FLAGS = {f.name: f"--{f.name.replace('_', '-')}" for f in fields(ModelChoice) if f.name != "options"}
"""The flag that gives each of the roles."""


def split_flags(name: str) -> tuple[str, ModelChoice]:
    """A preset's name and the flags behind it.

    Raises:
        UnknownName: There is no such flag for a model.
    """
    base, *flags = name.split(" --")
    given: dict[str, Any] = {}
    for flag in flags:
        key, _, value = flag.partition(" ")
        if key.replace("-", "_") not in FLAGS or not value.strip():
            raise UnknownName(
                f"unknown flag --{flag} in preset {name!r}: there is {', '.join(FLAGS.values())}"
            )
        given[key.replace("-", "_")] = value.strip()
    return base, ModelChoice(**given)


def load_names(
    roles: ModelChoice, *, device: torch.device, dtype: torch.dtype, cache_dir: Path | None
) -> ImageTextEncoder:
    """The image-text encoder, read as the roles say; raises as its loader does.

    Raises:
        UsageError: They name no CLIP.
    """
    if roles.image_text_encoder is None:
        raise UsageError(
            "no model for words was named: add image_text_encoder=", parameters=["image_text_encoder"]
        )
    spec = parse_spec(card_for(roles.image_text_encoder).spec or roles.image_text_encoder)
    own = {"variant": roles.dense_variant, "templates": roles.templates}
    return image_text_reader(spec)(ModelRequest(spec, device, dtype, cache_dir, settings_of(spec), **own))
