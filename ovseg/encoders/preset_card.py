"""Presets on record: for each role a model's spec, or a function that builds the encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from ovseg.encoders.base import Backbone, FeatureSpace, ImageTextEncoder
from ovseg.encoders.context import LoadContext
from ovseg.encoders.roles import ROLE_TITLES, ROLES, ModelChoice, Role
from ovseg.encoders.schemes import ModelRequest, image_text_reader, settings_of
from ovseg.encoders.sources import card_for
from ovseg.encoders.visual.load import load_visual
from ovseg.errors import UsageError
from ovseg.weights.cards import WeightCard
from ovseg.weights.locate import find_file, require_checked
from ovseg.weights.spec import parse_spec

__all__ = ["EncoderSource", "PresetCard"]


@dataclass(frozen=True)
class EncoderSource:
    """How the encoder of one role is made.

    Attributes:
        load: Builds it; raises ``WeightsUnavailable`` where weights are missing or have another hash.
        cards: Weights that it needs.
    """

    load: Callable[[LoadContext], ImageTextEncoder | Backbone]
    cards: tuple[WeightCard, ...] = ()


@dataclass(frozen=True)
class PresetCard:
    """A preset on record. Nothing is loaded before :class:`~ovseg.encoders.preset.Preset` needs it.

    Attributes:
        name: What ``--preset`` takes.
        summary: Its encoders in a few words.
        models: Preset that are named by spec; for a role given here, the source below does not count.
        image_text: Source of an image-text encoder without a spec.
        backbone: Source of a patch-feature backbone, likewise.
        prototype_backbone: Source of a prototype backbone, likewise.
        spaces: Feature spaces of prototypes, the most discriminative first; None: those that suit the
            backbones (:func:`ovseg.encoders.spaces.spaces_of`); empty: prototypes cannot be made.
        words: All names that the image-text encoder knows, where they are few; empty: those of the lexicon.
        auto: Whether ``auto`` may choose it; False for models of one kind of picture.
        weights: Cards of models in ``models`` of which more is known than card_for says, such as hashes.
    """

    name: str
    summary: str
    models: ModelChoice = ModelChoice()  # noqa: RUF009 (frozen)
    image_text: EncoderSource | None = None
    backbone: EncoderSource | None = None
    prototype_backbone: EncoderSource | None = None
    spaces: tuple[FeatureSpace, ...] | None = None
    words: tuple[str, ...] = ()
    auto: bool = True
    weights: tuple[WeightCard, ...] = ()

    @cached_property
    def sources(self) -> dict[Role, EncoderSource]:
        """Source of the encoder of each role that is filled; raises as ``ModelChoice.cards`` does."""
        found: dict[Role, EncoderSource | None] = {
            role: self._by_spec(role, spec) if (spec := self.models.spec(role)) else getattr(self, role)
            for role in ROLES
        }
        return {role: source for role, source in found.items() if source is not None}

    def source(self, role: Role) -> EncoderSource:
        """Return the source of the encoder of a role.

        Raises:
            UsageError: The preset has no such encoder.
        """
        if role not in self.sources:
            model = "image_text_encoder" if role == "image_text" else role
            raise UsageError(
                f"preset {self.name} has no {ROLE_TITLES[role]}: add {model}=", parameters=[model]
            )
        return self.sources[role]

    def cards(self, role: Role | None = None) -> tuple[WeightCard, ...]:
        """Return the weights that a role needs, each once; None: those of all roles."""
        sources = self.sources.values() if role is None else (self.source(role),)
        return tuple(dict.fromkeys(card for source in sources for card in source.cards))

    def missing(self, role: Role | None = None) -> list[WeightCard]:
        """Return those of :meth:`cards` that are not on this machine."""
        return [card for card in self.cards(role) if find_file(card) is None]

    @property
    def present(self) -> bool:
        """Whether all its weights are on this machine."""
        return not self.missing()

    @property
    def install(self) -> str:
        """The command that brings its weights to this machine."""
        if any(card.downloadable for card in self.cards()):
            return f"ovseg models download {self.name}"
        return self.cards()[0].install

    def with_models(self, models: ModelChoice) -> PresetCard:
        """Return the same preset with other models in the roles that are given.

        Raises:
            UsageError: A spec is malformed, or a way to read CLIP is given to a preset without CLIP.
            UnknownName: There is no such model, dense variant or set of templates.
            WeightsUnavailable: A local file or folder is missing.
        """
        merged = models.over(self.models).applied()
        changed = merged.beside(self.models)
        if not changed.given:
            return self
        if (merged.dense_variant or merged.templates) and not merged.image_text_encoder:
            raise UsageError(
                f"preset {self.name} has no CLIP to be read densely: add image_text_encoder="
                " or another preset",
                parameters=["image_text_encoder"],
            )
        return replace(
            self,
            name=changed.named(self.name),
            models=merged,
            spaces=None if any(map(changed.spec, ROLES)) else self.spaces,
            words=() if changed.image_text_encoder else self.words,
            weights=(*self.weights, *changed.cards()),
        )

    def _by_spec(self, role: Role, spec: str) -> EncoderSource:
        known = {card.spec: card for card in self.weights}
        card = known.get(spec) or known.get((named := card_for(spec)).spec, named)

        def load(context: LoadContext) -> ImageTextEncoder | Backbone:
            require_checked(card)
            return self._image_text(spec, context) if role == "image_text" else load_visual(spec, context)

        return EncoderSource(load, (card,))

    def _image_text(self, spec: str, context: LoadContext) -> ImageTextEncoder:
        model = parse_spec(card_for(spec).spec or spec)
        own = self.models.dense_variant, self.models.templates
        return image_text_reader(model)(ModelRequest(model, context, settings_of(model), *own))
