"""A preset in use: its encoders are loaded when they are first asked for."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import torch

from ovseg.encoders.base import Backbone, FeatureSpace, ImageTextEncoder
from ovseg.encoders.context import LoadContext
from ovseg.encoders.preset_card import PresetCard
from ovseg.encoders.roles import ROLES, Role
from ovseg.encoders.spaces import other_spaces, spaces_of
from ovseg.files import file_sha256
from ovseg.prompts import prompts_dir
from ovseg.weights.locate import known_sha256

__all__ = ["TEXT_SPACE", "Preset"]

TEXT_SPACE = "text"
"""Name of the space in which names, synonyms and attributes are prototypes (``ImageTextEncoder.embed``)."""


class Preset:
    """One encoder per role on one device. Encoders are loaded once, by whichever thread is first.

    Args:
        card: What it is made of.
        context: Device, dtype and cache folder of all its encoders.
        encoders: Preset that are loaded already; the card's sources of these roles do not count.
    """

    def __init__(
        self, card: PresetCard, context: LoadContext, encoders: Mapping[Role, Any] | None = None
    ) -> None:
        self.card = card
        self.context = context
        self._encoders: dict[Role, Any] = dict(encoders or {})
        self._spaces = card.spaces
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        """Name of the preset, with the flags that changed its models."""
        return self.card.name

    @property
    def device(self) -> torch.device:
        """Where all its encoders compute."""
        return self.context.device

    @property
    def words(self) -> tuple[str, ...]:
        """All names that the image-text encoder knows, where they are few; see ``PresetCard.words``."""
        return self.card.words

    @property
    def image_text(self) -> ImageTextEncoder:
        """The image-text encoder."""
        encoder: ImageTextEncoder = self._encoder("image_text")
        return encoder

    @property
    def backbone(self) -> Backbone:
        """The patch-feature backbone."""
        encoder: Backbone = self._encoder("backbone")
        return encoder

    @property
    def prototype_backbone(self) -> Backbone | None:
        """The prototype backbone; None: the preset has none."""
        return self._encoder("prototype_backbone") if self._has("prototype_backbone") else None

    @property
    def spaces(self) -> tuple[FeatureSpace, ...]:
        """Feature spaces of prototypes, the most discriminative first; empty: prototypes cannot be made."""
        if self._spaces is None:
            self._spaces = spaces_of(self.backbone, self.prototype_backbone)
        return self._spaces

    def load(self, *roles: Role) -> Preset:
        """Load the encoders of these roles now, or of all, so that errors come before work begins.

        Raises:
            UsageError: The preset has no encoder for one of the roles.
            WeightsUnavailable: Weights are missing or have another hash.
        """
        for role in roles or filter(self._has, ROLES):
            self._encoder(role)
        return self

    def with_spaces(self, names: Iterable[str]) -> Preset:
        """Return the same preset with those of a bank's spaces, too, that its encoders can give."""
        missing = set(names) - {space.name for space in self.spaces} - {TEXT_SPACE}
        if not missing:
            return self
        others = other_spaces(self.backbone, self.prototype_backbone)
        more = [space for space in others if space.name in missing]
        return self._with((*self.spaces, *more)) if more else self

    def only_spaces(self, names: Iterable[str]) -> Preset:
        """Return the same preset with those of its spaces alone that have these names."""
        wanted = set(names)
        return self._with(tuple(space for space in self.spaces if space.name in wanted))

    def fingerprint(self, space: FeatureSpace) -> dict[str, Any]:
        """Return what decides the values of features in a space: prototypes fit no other fingerprint.

        Raises:
            UsageError: The preset has no encoder for the space.
        """
        return asdict(space) | {"encoder": self._encoder(space.role).describe()}

    def fingerprints(self) -> dict[str, dict[str, Any]]:
        """Return the fingerprint of each feature space by name, ``TEXT_SPACE`` among them."""
        about = self.image_text.describe()
        texts = {"name": TEXT_SPACE, "role": "image_text", "encoder": about}
        patterns = prompts_dir() / "templates" / f"{about.get('templates')}.txt"
        if patterns.is_file():
            # The name of a set says nothing of what stands in it.
            texts["templates_sha256"] = file_sha256(patterns)
        return {space.name: self.fingerprint(space) for space in self.spaces} | {TEXT_SPACE: texts}

    def describe(self, role: Role | None = None) -> dict[str, Any]:
        """Return name, device and weights for run.json, of one role or of all; loads nothing."""
        weights = [
            {
                "name": card.name,
                "what": card.what,
                "licence": card.licence,
                "sha256": known_sha256(card),
                "source": f"{card.at}: {card.file}",
            }
            for card in self.card.cards(role)
        ]
        return {"preset": self.name, "device": str(self.device), "weights": weights}

    def _has(self, role: Role) -> bool:
        return role in self._encoders or role in self.card.sources

    def _encoder(self, role: Role) -> Any:
        with self._lock:
            if role not in self._encoders:
                self._encoders[role] = self.card.source(role).load(self.context)
            return self._encoders[role]

    def _with(self, spaces: tuple[FeatureSpace, ...]) -> Preset:
        """Return a copy that shares encoders and lock."""
        other = copy.copy(self)
        other._spaces = spaces
        return other
