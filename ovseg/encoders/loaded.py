"""The encoders of a preset, loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ovseg.encoders.base import ImageTextEncoder, ShapeEncoder, Space
from ovseg.encoders.spaces import other_spaces
from ovseg.files import file_sha256
from ovseg.prompts import prompts_dir
from ovseg.weights.cards import WeightCard
from ovseg.weights.locate import known_sha256

__all__ = ["TEXT_SPACE", "Encoders", "weights_in_use"]

TEXT_SPACE = "text"
"""Name of the space in which names, synonyms and attributes are prototypes (``ImageTextEncoder.embed``)."""


@dataclass(frozen=True)
class Encoders:
    """A loaded preset.

    Attributes:
        preset: Its name.
        names: Role *names*.
        shape: Role *shape*.
        device: Where all of them compute.
        cards: Weights in use.
        look: Role *look*, where the preset has an encoder of its own for it.
        spaces: Where prototypes live, the most telling first; empty: the preset cannot make prototypes.
        words: All names that *names* knows, where they are few: what a picture may show that was not asked
            for. Empty: the words of the shipped list.
    """

    preset: str
    names: ImageTextEncoder
    shape: ShapeEncoder
    device: torch.device
    cards: tuple[WeightCard, ...]
    look: ShapeEncoder | None = None
    spaces: tuple[Space, ...] = ()
    words: tuple[str, ...] = ()

    def identity(self, space: Space) -> dict[str, Any]:
        """What decides the values of features in ``space``: prototypes fit no other identity.

        Raises:
            ValueError: The preset has no encoder for the space (a bug of the preset).
        """
        roles: dict[str, ImageTextEncoder | ShapeEncoder | None] = {
            "names": self.names,
            "shape": self.shape,
            "look": self.look,
        }
        encoder = roles[space.role]
        if encoder is None:
            raise ValueError(f"preset {self.preset} has no encoder for the space {space.name}")
        return asdict(space) | {"encoder": encoder.describe()}

    def identities(self) -> dict[str, dict[str, Any]]:
        """Identity of every space of prototypes by its name, that of texts (``TEXT_SPACE``) among them."""
        about = self.names.describe()
        texts = {"name": TEXT_SPACE, "role": "names", "encoder": about}
        patterns = prompts_dir() / "templates" / f"{about.get('templates')}.txt"
        if patterns.is_file():
            # The name of a set says nothing of what stands in it.
            texts["templates_sha256"] = file_sha256(patterns)
        return {space.name: self.identity(space) for space in self.spaces} | {TEXT_SPACE: texts}

    def reading(self, names: Iterable[str]) -> Encoders:
        """The same encoders with those spaces of a bank, too, that they can give beside their own."""
        missing = set(names) - {space.name for space in self.spaces} - {TEXT_SPACE}
        if not missing:
            return self
        more = [space for space in other_spaces(self.shape, self.look) if space.name in missing]
        return replace(self, spaces=(*self.spaces, *more)) if more else self

    def describe(self) -> dict[str, Any]:
        """What is in use, for run.json."""
        return {"preset": self.preset, "device": str(self.device), "weights": weights_in_use(self.cards)}


def weights_in_use(cards: Iterable[WeightCard]) -> list[dict[str, Any]]:
    """Name, licence, hash and source of weights, JSON-able."""
    return [
        {
            "name": card.name,
            "what": card.what,
            "licence": card.licence,
            "sha256": known_sha256(card),
            "source": f"{card.at}: {card.file}",
        }
        for card in cards
    ]
