"""The roles of a preset's encoders, and the models that users choose for them by spec."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from ovseg.encoders.schemes import with_options
from ovseg.encoders.sources import card_for
from ovseg.encoders.suggestions import suggest_names
from ovseg.errors import UnknownName
from ovseg.prompts import template_sets
from ovseg.weights.cards import WeightCard
from ovseg.weights.spec import parse_spec

__all__ = ["FLAGS", "ROLES", "ROLE_TITLES", "ModelChoice", "Role", "split_flags"]

Role = Literal["image_text", "backbone", "prototype_backbone"]
ROLES: tuple[Role, ...] = get_args(Role)
ROLE_TITLES: dict[Role, str] = {
    "image_text": "image-text encoder",
    "backbone": "backbone",
    "prototype_backbone": "prototype backbone",
}


@dataclass(frozen=True)
class ModelChoice:
    """Models by their specs (:mod:`ovseg.weights.spec`); None: the preset's own.

    Attributes:
        image_text_encoder: Image-text encoder: a spec of open_clip.
        backbone: Patch-feature backbone: a spec of a visual encoder.
        prototype_backbone: Prototype backbone: a spec of a visual encoder or a diffusion pipeline.
        dense_variant: Method by which CLIP gives patch features (``ovseg.encoders.clip.variants``).
        templates: Name of the set of prompt templates for CLIP (``prompts/templates/``).
        options: Settings of plug-ins' encoders, as (encoder, ``key=value&key=value``), for the specs of the
            models that these encoders load (:meth:`applied`); what a spec says itself has precedence.
    """

    image_text_encoder: str | None = None
    backbone: str | None = None
    prototype_backbone: str | None = None
    dense_variant: str | None = None
    templates: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    def over(self, other: ModelChoice) -> ModelChoice:
        """Return the fields given here, and those of ``other`` elsewhere."""
        return ModelChoice(*(getattr(self, f.name) or getattr(other, f.name) for f in fields(self)))

    def spec(self, role: Role) -> str | None:
        """Return the spec of the model chosen for a role."""
        specs = dict(
            zip(ROLES, (self.image_text_encoder, self.backbone, self.prototype_backbone), strict=True)
        )
        return specs[role]

    @property
    def given(self) -> dict[str, str]:
        """Fields that are given, by flag; ``options`` count once they are applied."""
        pairs = ((flag, getattr(self, name)) for name, flag in FLAGS.items())
        return {flag: value for flag, value in pairs if value}

    def named(self, preset: str) -> str:
        """Return a preset's name followed by these flags, as :func:`split_flags` reads it."""
        return " ".join((preset, *(f"{flag} {value}" for flag, value in self.given.items())))

    def applied(self) -> ModelChoice:
        """Return the same with ``options`` moved into the specs; raises as :meth:`cards` does."""
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
        """Return the fields given here that differ from those of ``other``, without options."""
        own = {name: getattr(self, name) for name in FLAGS if getattr(self, name) != getattr(other, name)}
        return ModelChoice(**own)

    def cards(self) -> tuple[WeightCard, ...]:
        """Return the weights of the given models, each once, after checking all fields.

        Raises:
            UsageError: A spec is malformed.
            UnknownName: There is no such model, variant or set of templates.
            WeightsUnavailable: A local file or folder is missing.
        """
        if self.dense_variant:
            from ovseg.encoders.clip.variants import dense_variant

            dense_variant(self.dense_variant)
        if self.templates and self.templates not in template_sets():
            near = suggest_names(self.templates, template_sets())
            raise UnknownName(f"unknown templates {self.templates!r}: {near}")
        return tuple(dict.fromkeys(card_for(spec) for role in ROLES if (spec := self.spec(role))))


FLAGS = {f.name: f"--{f.name.replace('_', '-')}" for f in fields(ModelChoice) if f.name != "options"}
"""The flag of each field of a choice."""


def split_flags(name: str) -> tuple[str, ModelChoice]:
    """Split a preset's name from the flags that follow it.

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
