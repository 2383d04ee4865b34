"""Encoders by role, each by the spec of its model: what presets are made of, and what flags override."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import torch

from ovseg.encoders.base import ImageTextEncoder
from ovseg.encoders.sources import card_for
from ovseg.encoders.suggestions import suggest_names
from ovseg.errors import UnknownName, UsageError
from ovseg.prompts import template_sets
from ovseg.weights.cache import default_cache_dir
from ovseg.weights.cards import WeightCard


@dataclass(frozen=True)
class ModelChoice:
    """Which model plays which role; None: the preset's own.

    Attributes:
        image_text_encoder: Image-text encoder: a spec of open_clip.
        backbone: Patch-feature backbone: a spec of a visual encoder.
        prototype_backbone: Prototype backbone: a spec of a visual encoder or a diffusion pipeline.
        dense_variant: How CLIP is read patch by patch (``ovseg.encoders.clip.variants``).
        templates: Name of the set of templates into which CLIP's words are put (``prompts/templates/``).
    """

    image_text_encoder: str | None = None
    backbone: str | None = None
    prototype_backbone: str | None = None
    dense_variant: str | None = None
    templates: str | None = None

    def over(self, other: ModelChoice) -> ModelChoice:
        """These where they are given, those of ``other`` elsewhere."""
        return ModelChoice(*(getattr(self, f.name) or getattr(other, f.name) for f in fields(self)))

    @property
    def given(self) -> dict[str, str]:
        """What is given, by the flag that gives it."""
        pairs = ((f"--{f.name.replace('_', '-')}", getattr(self, f.name)) for f in fields(self))
        return {flag: value for flag, value in pairs if value}

    def named(self, preset: str) -> str:
        """A preset's name with these behind it, as :func:`split_flags` reads it."""
        return " ".join((preset, *(f"{flag} {value}" for flag, value in self.given.items())))

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


def split_flags(name: str) -> tuple[str, ModelChoice]:
    """A preset's name and the flags behind it.

    Raises:
        UnknownName: There is no such flag for a model.
    """
    known = {field.name: f"--{field.name.replace('_', '-')}" for field in fields(ModelChoice)}
    base, *flags = name.split(" --")
    given: dict[str, str] = {}
    for flag in flags:
        key, _, value = flag.partition(" ")
        if key.replace("-", "_") not in known or not value.strip():
            raise UnknownName(
                f"unknown flag --{flag} in preset {name!r}: there is {', '.join(known.values())}"
            )
        given[key.replace("-", "_")] = value.strip()
    return base, ModelChoice(**given)


def load_names(
    roles: ModelChoice, *, device: torch.device, dtype: torch.dtype, cache_dir: Path | None
) -> ImageTextEncoder:
    """CLIP in the image-text encoder, read as the roles say; raises as ``load_clip`` does.

    Raises:
        UsageError: They name no CLIP.
    """
    from ovseg.encoders.clip import load_clip

    if roles.image_text_encoder is None:
        raise UsageError("no model for words was named: add --image-text-encoder")
    options = {"variant": roles.dense_variant, "templates": roles.templates}
    return load_clip(
        card_for(roles.image_text_encoder).spec,
        device=device,
        dtype=dtype,
        cache_dir=cache_dir or default_cache_dir(),
        **{key: value for key, value in options.items() if value},
    )
