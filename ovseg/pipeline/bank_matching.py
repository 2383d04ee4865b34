"""A bank in use: its classes matched with those of a vocabulary, its prototypes with an image's patches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.config import BankMatchingConfig
from ovseg.encoders.base import FeatureSpace
from ovseg.encoders.presets import Preset, choose_preset
from ovseg.errors import UnknownName
from ovseg.files import file_sha256
from ovseg.matching.encoded_image import EncodedImage
from ovseg.matching.prototype_scores import PrototypeMatcher, PrototypeScores
from ovseg.memory import BoundedCache
from ovseg.prototypes import PrototypeBank, check_fingerprints, load_bank
from ovseg.prototypes.edit import recorded
from ovseg.vocabulary import Vocabulary

__all__ = ["BankMatcher", "bank_vocabulary", "pixel_hash", "preset_of_bank"]

GIVEN = "folder"
"""The source of support that a person chose."""
VOCABULARIES = 16
"""Vocabularies whose prototypes are kept ready."""


def pixel_hash(pixels: npt.NDArray[np.uint8]) -> str:
    """Return the SHA-256 of an image's size and (H, W, 3) pixels: the same picture, whatever its file."""
    shape = np.array(pixels.shape, np.int64).tobytes()
    return hashlib.sha256(shape + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def bank_vocabulary(bank: PrototypeBank, *, has_background: bool = True) -> Vocabulary:
    """Return the classes of a bank as a vocabulary."""
    return Vocabulary(bank.classes, has_background=has_background, source="bank")


def preset_of_bank(bank: PrototypeBank) -> str:
    """Return the preset that made a bank; ``auto`` where it records none that is known here, or several.

    Raises:
        WeightsUnavailable: It is known, but its weights are not on this machine.
    """
    names = recorded(bank, "preset")
    if len(names) != 1:
        return "auto"
    try:
        choose_preset(names[0])
    except UnknownName:  # a folder of the machine on which the bank was made
        return "auto"
    return names[0]


class BankMatcher:
    """A bank with the encoders that made it.

    Args:
        bank: The bank, or its file.
        encoders: A loaded preset.

    Raises:
        BankMismatch: The bank was made by other encoders, or is no bank.
    """

    def __init__(self, bank: PrototypeBank | Path | str, encoders: Preset) -> None:
        self.bank = bank if isinstance(bank, PrototypeBank) else load_bank(Path(bank))
        encoders = encoders.with_spaces(self.bank.tables)
        check_fingerprints(self.bank, encoders.fingerprints())
        self._device = encoders.device
        self.spaces: tuple[FeatureSpace, ...] = tuple(
            space for space in encoders.spaces if len(self.bank.tables.get(space.name, ()))
        )
        self._matchers: BoundedCache[PrototypeMatcher] = BoundedCache(VOCABULARIES)
        self._supports_of: dict[str, list[int]] = {}
        for index, record in enumerate(self.bank.supports):
            key = record.origin.get("details", {}).get("pixels")
            if key:
                self._supports_of.setdefault(str(key), []).append(index)

    def matcher(self, vocabulary: Vocabulary) -> PrototypeMatcher:
        """Return the bank's prototypes of a vocabulary's classes, prepared once."""
        names = [space.name for space in self.spaces]
        return self._matchers.get(
            vocabulary.hash,
            lambda: PrototypeMatcher(self.bank, self.class_map(vocabulary), names, self._device),
        )

    def class_map(self, vocabulary: Vocabulary) -> list[int]:
        """Return for each class of the bank its index in the vocabulary, by name, then by synonym; or -1."""
        by_name = {spec.name.casefold(): index for index, spec in enumerate(vocabulary.classes)}
        by_word: dict[str, int] = {}
        for index, spec in enumerate(vocabulary.classes):
            for word in spec.words:
                by_word.setdefault(word.casefold(), index)
        indices = []
        for spec in self.bank.classes:
            candidates = [by_name.get(spec.name.casefold(), -1)]
            candidates += [by_word.get(word.casefold(), -1) for word in spec.words]
            indices.append(next((index for index in candidates if index >= 0), -1))
        return indices

    def missing(self, vocabulary: Vocabulary) -> list[str]:
        """Return the classes without prototypes; they are decided by the text scores."""
        present = set(self.matcher(vocabulary).present)
        return [spec.name for index, spec in enumerate(vocabulary.classes) if index not in present]

    def own_supports(self, pixels: npt.NDArray[np.uint8]) -> list[int]:
        """Return the support images with exactly these pixels, which should not count in this picture."""
        return self._supports_of.get(pixel_hash(pixels), []) if self._supports_of else []

    def resolved(self, config: BankMatchingConfig) -> BankMatchingConfig:
        """Return the settings with what ``background_score`` ``auto`` means for this bank."""
        if config.background_score != "auto":
            return config
        given = all(record.origin.get("source") == GIVEN for record in self.bank.supports)
        return replace(config, background_score="top3_mean" if given or not config.text_with_bank else "max")

    def scores(
        self, image: EncodedImage, vocabulary: Vocabulary, excluded_supports: Sequence[int] = ()
    ) -> PrototypeScores | None:
        """Return how similar an image's patches are to each class, or None: the bank has none of them."""
        matcher = self.matcher(vocabulary)
        if not matcher.present:
            return None
        return matcher.scores(self._patches(image, matcher), excluded_supports)

    def nearest_prototypes(
        self,
        image: EncodedImage,
        vocabulary: Vocabulary,
        labels: torch.Tensor,
        excluded_supports: Sequence[int] = (),
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Return by space each patch's nearest prototype of its class.

        See :meth:`PrototypeMatcher.nearest_prototypes`.
        """
        matcher = self.matcher(vocabulary)
        if not matcher.present:
            return {}
        return matcher.nearest_prototypes(self._patches(image, matcher), labels, excluded_supports)

    @staticmethod
    def _patches(image: EncodedImage, matcher: PrototypeMatcher) -> dict[str, torch.Tensor]:
        """Return features ready to be matched, propagated along the affinities of the image."""
        features = {name: image.affinity.propagate(image.prototype_features[name]) for name in matcher.spaces}
        return matcher.prepare(features)

    @cached_property
    def _sha256(self) -> str | None:
        return None if self.bank.path is None else file_sha256(self.bank.path)

    def describe(self) -> dict[str, Any]:
        """Return which bank it is, for run.json."""
        return {
            "bank": None if self.bank.path is None else self.bank.path.name,
            "sha256": self._sha256,
            "plan": self.bank.metadata.get("plan"),
            "classes": len(self.bank.classes),
            "prototypes": {name: len(table) for name, table in self.bank.tables.items()},
            "spaces": [space.name for space in self.spaces],
        }
