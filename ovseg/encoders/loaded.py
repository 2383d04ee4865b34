"""The encoders of a preset, loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ovseg.encoders.base import Backbone, ImageTextEncoder, Space
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
        image_text: The image-text encoder.
        backbone: The patch-feature backbone.
        device: Where all of them compute.
        cards: Weights in use.
        prototype_backbone: The prototype backbone, where the preset has one.
        spaces: Where prototypes live, the most telling first; empty: the preset cannot make prototypes.
        words: All names that the image-text encoder knows, where they are few: what a picture may show that
            was not asked for. Empty: the words of the shipped list.
    """

    preset: str
    image_text: ImageTextEncoder
    backbone: Backbone
    device: torch.device
    cards: tuple[WeightCard, ...]
    prototype_backbone: Backbone | None = None
    spaces: tuple[Space, ...] = ()
    words: tuple[str, ...] = ()

    def fingerprint(self, space: Space) -> dict[str, Any]:
        """What decides the values of features in ``space``: prototypes fit no other fingerprint.

        Raises:
            ValueError: The preset has no encoder for the space (a bug of the preset).
        """
        roles: dict[str, ImageTextEncoder | Backbone | None] = {
            "image_text": self.image_text,
            "backbone": self.backbone,
            "prototype_backbone": self.prototype_backbone,
        }
        encoder = roles[space.role]
        if encoder is None:
            raise ValueError(f"preset {self.preset} has no encoder for the space {space.name}")
        return asdict(space) | {"encoder": encoder.describe()}

    def fingerprints(self) -> dict[str, dict[str, Any]]:
        """Fingerprint of every space of prototypes by its name, that of texts (``TEXT_SPACE``) among them."""
        about = self.image_text.describe()
        texts = {"name": TEXT_SPACE, "role": "image_text", "encoder": about}
        patterns = prompts_dir() / "templates" / f"{about.get('templates')}.txt"
        if patterns.is_file():
            # The name of a set says nothing of what stands in it.
            texts["templates_sha256"] = file_sha256(patterns)
        return {space.name: self.fingerprint(space) for space in self.spaces} | {TEXT_SPACE: texts}

    def with_spaces(self, names: Iterable[str]) -> Encoders:
        """The same encoders with those spaces of a bank, too, that they can give beside their own."""
        missing = set(names) - {space.name for space in self.spaces} - {TEXT_SPACE}
        if not missing:
            return self
        more = [
            space for space in other_spaces(self.backbone, self.prototype_backbone) if space.name in missing
        ]
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
