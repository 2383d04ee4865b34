"""Presets on record, and those made of models by their specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ovseg.encoders.loaded import Encoders
from ovseg.encoders.lone import LoneNames, LoneRole, LoneShape, Part, names_part, shape_part
from ovseg.encoders.roles import ModelChoice, load_names
from ovseg.encoders.spaces import spaces_of
from ovseg.encoders.visual.load import load_visual
from ovseg.errors import UsageError
from ovseg.weights.cards import WeightCard
from ovseg.weights.locate import find_file, require_checked

__all__ = ["PresetCard", "absent", "preset_of"]


def absent(cards: Iterable[WeightCard]) -> list[WeightCard]:
    """Those whose weights are not on this machine."""
    return [card for card in cards if find_file(card) is None]


Loader = Callable[[torch.device, torch.dtype, Path | None], Encoders]


@dataclass(frozen=True)
class PresetCard:
    """A preset on record.

    Attributes:
        name: What ``--preset`` takes.
        summary: Its encoders in a few words.
        cards: Weights that it needs.
        load: Builds it on a device and dtype with a cache folder.
        roles: The models that it is made of, where it is made of nothing else.
        auto: Whether ``auto`` may take it; not what knows pictures of one kind alone.
        shape: Its backbone alone; None: that comes with the others.
        names: Its image-text encoder* alone; None: likewise.
    """

    name: str
    summary: str
    cards: tuple[WeightCard, ...]
    load: Loader
    roles: ModelChoice | None = None
    auto: bool = True
    backbone: Part[LoneShape] | None = None
    image_text: Part[LoneNames] | None = None

    @property
    def present(self) -> bool:
        """Whether all its weights are on this machine."""
        return not absent(self.cards)

    @property
    def install(self) -> str:
        """The command that brings its weights to this machine."""
        if any(card.downloadable for card in self.cards):
            return f"ovseg models download {self.name}"
        return self.cards[0].install

    def weights(self, role: LoneRole | None = None) -> tuple[WeightCard, ...]:
        """Weights without which a role of it cannot be loaded; None: without which it cannot."""
        part = None if role is None else {"image_text": self.image_text, "backbone": self.backbone}[role]
        return self.cards if part is None else part.cards

    def load_shape(self, device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> LoneShape:
        """Its backbone, without the others where it can be had without; raises as ``load`` does."""
        if self.backbone is not None:
            return self.backbone.load(device, dtype, cache_dir)
        whole = self.load(device, dtype, cache_dir)
        return LoneShape(whole.preset, whole.backbone, whole.device, whole.cards)

    def load_names(self, device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> LoneNames:
        """Its image-text encoder*, likewise."""
        if self.image_text is not None:
            return self.image_text.load(device, dtype, cache_dir)
        whole = self.load(device, dtype, cache_dir)
        return LoneNames(whole.preset, whole.image_text, whole.device, whole.cards, whole.words)

    def with_roles(self, roles: ModelChoice) -> PresetCard:
        """The same preset with other models in the roles that are given.

        Raises:
            UsageError: A spec is malformed.
            UnknownName: There is no such model or dense variant.
            WeightsUnavailable: A local file or folder is not there.
        """
        if not roles.given and not roles.options:
            return self
        if self.roles is not None:
            merged, known = roles.over(self.roles).applied(), {card.spec: card for card in self.cards}
            name = replace(roles.over(merged.beside(self.roles)), options=()).named(self.name)
            cards = tuple(known.get(card.spec, card) for card in merged.cards())
            return preset_of(name, self.summary, merged, cards)
        roles = roles.applied()
        if not roles.given:
            return self
        name = roles.named(self.name)
        if (roles.dense_variant or roles.templates) and not roles.image_text_encoder:
            raise UsageError(
                f"preset {self.name} has no CLIP to be read densely: add image_text_encoder="
                " or another preset",
                parameters=["image_text_encoder"],
            )
        inner, cards = self.load, (*self.cards, *roles.cards())

        def load(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Encoders:
            return _replaced(inner(device, dtype, cache_dir), name, roles, cards, dtype, cache_dir)

        backbone = Part(self.weights("backbone"), self.load_shape).named(name)
        if roles.backbone:
            backbone = shape_part(name, roles.backbone, cards)
        image_text = Part(self.weights("image_text"), self.load_names).named(name)
        if roles.image_text_encoder:
            image_text = names_part(name, roles, cards)
        return replace(self, name=name, cards=cards, load=load, backbone=backbone, image_text=image_text)


def preset_of(
    name: str, summary: str, roles: ModelChoice, cards: tuple[WeightCard, ...] | None = None
) -> PresetCard:
    """A preset of models by their specs; see :class:`ModelChoice`.

    Args:
        name: What ``--preset`` takes.
        summary: Its encoders in a few words.
        roles: At least ``image_text_encoder`` and ``backbone``.
        cards: Their weights, where more is known of them than the specs say.
    """
    weights = roles.cards() if cards is None else cards

    def load(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Encoders:
        if roles.image_text_encoder is None or roles.backbone is None:
            raise UsageError(
                f"preset {name} wants an image-text encoder and a backbone: add image_text_encoder="
                " and backbone=",
                parameters=["image_text_encoder", "backbone"],
            )
        for card in weights:
            require_checked(card)
        backbone = load_visual(roles.backbone, device=device, dtype=dtype)
        prototype_backbone = (
            load_visual(roles.prototype_backbone, device=device, dtype=dtype)
            if roles.prototype_backbone
            else None
        )
        image_text = load_names(roles, device=device, dtype=dtype, cache_dir=cache_dir)
        return Encoders(
            name,
            image_text,
            backbone,
            device,
            weights,
            prototype_backbone,
            spaces_of(backbone, prototype_backbone),
        )

    backbone = shape_part(name, roles.backbone, weights) if roles.backbone else None
    image_text = names_part(name, roles, weights) if roles.image_text_encoder else None
    return PresetCard(name, summary, weights, load, roles, backbone=backbone, image_text=image_text)


def _replaced(
    encoders: Encoders,
    name: str,
    roles: ModelChoice,
    cards: tuple[WeightCard, ...],
    dtype: torch.dtype,
    cache_dir: Path | None,
) -> Encoders:
    """Encoders of a preset with those of the roles that are given in their place."""
    place = encoders.device
    backbone = load_visual(roles.backbone, device=place, dtype=dtype) if roles.backbone else encoders.backbone
    prototype_backbone = (
        load_visual(roles.prototype_backbone, device=place, dtype=dtype)
        if roles.prototype_backbone
        else encoders.prototype_backbone
    )
    image_text = encoders.image_text
    if roles.image_text_encoder:
        image_text = load_names(roles, device=place, dtype=dtype, cache_dir=cache_dir)
    spaces = encoders.spaces
    if roles.backbone or roles.prototype_backbone or roles.image_text_encoder:
        spaces = spaces_of(backbone, prototype_backbone)
    words = () if roles.image_text_encoder else encoders.words
    return Encoders(name, image_text, backbone, place, cards, prototype_backbone, spaces, words)
