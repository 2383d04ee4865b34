"""Presets on record, and those made of models by their specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ovseg.encoders.loaded import Encoders
from ovseg.encoders.lone import LoneNames, LoneRole, LoneShape, Part, names_part, shape_part
from ovseg.encoders.roles import Roles, load_names
from ovseg.encoders.spaces import spaces_of
from ovseg.encoders.visual.load import load_visual
from ovseg.errors import UsageError
from ovseg.weights.cards import HubFiles, WeightCard
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
        shape: Its *shape* encoder alone; None: that comes with the others.
        names: Its encoder of *names* alone; None: likewise.
    """

    name: str
    summary: str
    cards: tuple[WeightCard, ...]
    load: Loader
    roles: Roles | None = None
    auto: bool = True
    shape: Part[LoneShape] | None = None
    names: Part[LoneNames] | None = None

    @property
    def present(self) -> bool:
        """Whether all its weights are on this machine."""
        return not absent(self.cards)

    @property
    def install(self) -> str:
        """The command that brings its weights to this machine."""
        if any(isinstance(card.at, HubFiles) for card in self.cards):
            return f"ovseg models download {self.name}"
        return self.cards[0].install

    def weights(self, role: LoneRole | None = None) -> tuple[WeightCard, ...]:
        """Weights without which a role of it cannot be loaded; None: without which it cannot."""
        part = None if role is None else {"names": self.names, "shape": self.shape}[role]
        return self.cards if part is None else part.cards

    def load_shape(self, device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> LoneShape:
        """Its *shape* encoder, without the others where it can be had without; raises as ``load`` does."""
        if self.shape is not None:
            return self.shape.load(device, dtype, cache_dir)
        whole = self.load(device, dtype, cache_dir)
        return LoneShape(whole.preset, whole.shape, whole.device, whole.cards)

    def load_names(self, device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> LoneNames:
        """Its encoder of *names*, likewise."""
        if self.names is not None:
            return self.names.load(device, dtype, cache_dir)
        whole = self.load(device, dtype, cache_dir)
        return LoneNames(whole.preset, whole.names, whole.device, whole.cards, whole.words)

    def with_roles(self, roles: Roles) -> PresetCard:
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
        if (roles.dense_variant or roles.templates) and not roles.clip:
            raise UsageError(
                f"preset {self.name} has no CLIP to be read densely: add --clip or another --preset"
            )
        inner, cards = self.load, (*self.cards, *roles.cards())

        def load(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Encoders:
            return _replaced(inner(device, dtype, cache_dir), name, roles, cards, dtype, cache_dir)

        shape = Part(self.weights("shape"), self.load_shape).named(name)
        if roles.shape:
            shape = shape_part(name, roles.shape, cards)
        names = Part(self.weights("names"), self.load_names).named(name)
        if roles.clip:
            names = names_part(name, roles, cards)
        return replace(self, name=name, cards=cards, load=load, shape=shape, names=names)


def preset_of(
    name: str, summary: str, roles: Roles, cards: tuple[WeightCard, ...] | None = None
) -> PresetCard:
    """A preset of models by their specs; see :class:`Roles`.

    Args:
        name: What ``--preset`` takes.
        summary: Its encoders in a few words.
        roles: At least ``clip`` and ``shape``.
        cards: Their weights, where more is known of them than the specs say.
    """
    weights = roles.cards() if cards is None else cards

    def load(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Encoders:
        if roles.clip is None or roles.shape is None:
            raise UsageError(
                f"preset {name} wants a model for words and one for shapes: add --clip and --shape"
            )
        for card in weights:
            require_checked(card)
        shape = load_visual(roles.shape, device=device, dtype=dtype)
        look = load_visual(roles.look, device=device, dtype=dtype) if roles.look else None
        names = load_names(roles, device=device, dtype=dtype, cache_dir=cache_dir)
        return Encoders(name, names, shape, device, weights, look, spaces_of(shape, look))

    shape = shape_part(name, roles.shape, weights) if roles.shape else None
    names = names_part(name, roles, weights) if roles.clip else None
    return PresetCard(name, summary, weights, load, roles, shape=shape, names=names)


def _replaced(
    encoders: Encoders,
    name: str,
    roles: Roles,
    cards: tuple[WeightCard, ...],
    dtype: torch.dtype,
    cache_dir: Path | None,
) -> Encoders:
    """Encoders of a preset with those of the roles that are given in their place."""
    place = encoders.device
    shape = load_visual(roles.shape, device=place, dtype=dtype) if roles.shape else encoders.shape
    look = load_visual(roles.look, device=place, dtype=dtype) if roles.look else encoders.look
    names = encoders.names
    if roles.clip:
        names = load_names(roles, device=place, dtype=dtype, cache_dir=cache_dir)
    spaces = encoders.spaces
    if roles.shape or roles.look or roles.clip:
        spaces = spaces_of(shape, look)
    words = () if roles.clip else encoders.words
    return Encoders(name, names, shape, place, cards, look, spaces, words)
