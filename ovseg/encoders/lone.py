"""One encoder of a preset by itself: all that is wanted where nobody asks for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch

from ovseg.encoders.base import Backbone, ImageTextEncoder
from ovseg.encoders.loaded import Encoders, weights_in_use
from ovseg.encoders.roles import ModelChoice, load_names
from ovseg.encoders.sources import card_for
from ovseg.encoders.visual.load import load_visual
from ovseg.errors import UsageError
from ovseg.weights.cards import WeightCard
from ovseg.weights.locate import require_checked

__all__ = [
    "HasImageText",
    "LoneNames",
    "LoneRole",
    "LoneShape",
    "Part",
    "load_lone_shape",
    "names_part",
    "shape_part",
]

LoneRole = Literal["image_text", "backbone"]
"""Roles that a preset may give without the others."""


@dataclass(frozen=True)
class LoneShape:
    """A loaded backbone.

    Attributes:
        preset: Name of the preset that it is of, or what stands in its place in run.json.
        shape: patch-feature backbone.
        device: Where it computes.
        cards: Weights in use.
    """

    preset: str
    backbone: Backbone
    device: torch.device
    cards: tuple[WeightCard, ...]

    def describe(self) -> dict[str, Any]:
        """What is in use, for run.json."""
        return {"preset": self.preset, "device": str(self.device), "weights": weights_in_use(self.cards)}


@dataclass(frozen=True)
class LoneNames:
    """A loaded image-text encoder.

    Attributes:
        preset: Name of the preset that it is of.
        names: image-text encoder.
        device: Where it computes.
        cards: Weights in use.
        words: All names that it knows, where they are few (see ``Encoders``).
    """

    preset: str
    image_text: ImageTextEncoder
    device: torch.device
    cards: tuple[WeightCard, ...]
    words: tuple[str, ...] = ()


HasImageText = Encoders | LoneNames
"""What has the image-text encoder."""

Lone = TypeVar("Lone", LoneNames, LoneShape)


@dataclass(frozen=True)
class Part(Generic[Lone]):
    """One role of a preset without the others.

    Attributes:
        cards: Weights that it needs.
        load: Builds its encoder on a device and dtype with a cache folder.
    """

    cards: tuple[WeightCard, ...]
    load: Callable[[torch.device, torch.dtype, Path | None], Lone]

    def named(self, preset: str) -> Part[Lone]:
        """The same for a preset of another name."""

        def load(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Lone:
            return replace(self.load(device, dtype, cache_dir), preset=preset)

        return Part(self.cards, load)


def load_lone_shape(spec: str, *, device: torch.device, dtype: torch.dtype = torch.float32) -> LoneShape:
    """Load a visual encoder by its spec; raises as ``load_visual`` does."""
    backbone = load_visual(spec, device=device, dtype=dtype)
    return LoneShape(f"none, --backbone {spec}", backbone, device, (card_for(spec),))


def shape_part(name: str, spec: str, cards: Iterable[WeightCard]) -> Part[LoneShape]:
    """One model in the patch-feature backbone for a preset that has the weights on its cards."""
    card = _card_among(cards, spec)

    def load(device: torch.device, dtype: torch.dtype, _cache_dir: Path | None) -> LoneShape:
        require_checked(card)
        return LoneShape(name, load_visual(spec, device=device, dtype=dtype), device, (card,))

    return Part((card,), load)


def names_part(name: str, roles: ModelChoice, cards: Iterable[WeightCard]) -> Part[LoneNames]:
    """CLIP in the image-text encoder, likewise.

    Raises:
        UsageError: The roles name no CLIP.
    """
    if roles.image_text_encoder is None:
        raise UsageError(
            "no model for words was named: add image_text_encoder=", parameters=["image_text_encoder"]
        )
    card = _card_among(cards, roles.image_text_encoder)

    def load(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> LoneNames:
        require_checked(card)
        image_text = load_names(roles, device=device, dtype=dtype, cache_dir=cache_dir)
        return LoneNames(name, image_text, device, (card,))

    return Part((card,), load)


def _card_among(cards: Iterable[WeightCard], spec: str) -> WeightCard:
    """The card of a model, by whichever of its names; that of ``cards`` where they have it."""
    known = {card.spec: card for card in cards}
    if spec in known:
        return known[spec]
    meant = card_for(spec)
    return known.get(meant.spec, meant)
