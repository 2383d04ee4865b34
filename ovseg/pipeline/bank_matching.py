"""A bank in use: its classes matched with those of a vocabulary, its prototypes with an image's patches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.config import SegmentConfig
from ovseg.encoders.base import FeatureSpace
from ovseg.encoders.presets import Preset, choose_preset
from ovseg.errors import UnknownName
from ovseg.files import file_sha256
from ovseg.matching.prototype_fusion import fuse_prototypes
from ovseg.matching.prototype_matcher import PrototypeMatch, PrototypeMatcher
from ovseg.pipeline.encode import EncodedImage
from ovseg.prototypes import PrototypeBank, check_fingerprints, load_bank
from ovseg.prototypes.edit import recorded
from ovseg.refinement import softmax_affinity
from ovseg.vocabulary import Vocabulary

__all__ = ["BankMatcher", "bank_vocabulary", "pixel_hash"]


GIVEN = "folder"
"""The source of support that a person chose."""


def pixel_hash(pixels: npt.NDArray[np.uint8]) -> str:
    """SHA-256 of an image's size and (H, W, 3) pixels: the same picture, whatever its file."""
    shape = np.array(pixels.shape, np.int64).tobytes()
    return hashlib.sha256(shape + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def bank_vocabulary(bank: PrototypeBank, *, has_background: bool = True) -> Vocabulary:
    """The classes of a bank as a vocabulary."""
    return Vocabulary(bank.classes, has_background=has_background, source="bank")


def preset_of_bank(bank: PrototypeBank) -> str:
    """The preset that made a bank; ``auto`` where it says none that is on record here, or more than one.

    Raises:
        WeightsUnavailable: It is on record, but its weights are not on this machine.
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
        self.path = None if isinstance(bank, PrototypeBank) else Path(bank)
        self.bank = bank if isinstance(bank, PrototypeBank) else load_bank(Path(bank))
        encoders = encoders.with_spaces(self.bank.tables)
        check_fingerprints(self.bank, encoders.fingerprints())
        self._device = encoders.device
        self.spaces: tuple[FeatureSpace, ...] = tuple(
            space for space in encoders.spaces if len(self.bank.tables.get(space.name, ()))
        )
        self._matchers: dict[str, PrototypeMatcher] = {}
        self._pictures: dict[str, list[int]] = {}
        for index, record in enumerate(self.bank.supports):
            key = record.origin.get("details", {}).get("pixels")
            if key:
                self._pictures.setdefault(str(key), []).append(index)

    def matcher(self, vocabulary: Vocabulary) -> PrototypeMatcher:
        """The bank's prototypes of a vocabulary's classes."""
        key = vocabulary.hash
        if key not in self._matchers:
            self._matchers[key] = PrototypeMatcher(
                self.bank, self.places(vocabulary), [space.name for space in self.spaces], self._device
            )
        return self._matchers[key]

    def places(self, vocabulary: Vocabulary) -> list[int]:
        """For each class of the bank its index in the vocabulary, by name first, then by synonym; or -1."""
        by_name = {spec.name.casefold(): index for index, spec in enumerate(vocabulary.classes)}
        by_word: dict[str, int] = {}
        for index, spec in enumerate(vocabulary.classes):
            for word in spec.words:
                by_word.setdefault(word.casefold(), index)
        found = []
        for spec in self.bank.classes:
            places = [by_name.get(spec.name.casefold(), -1)]
            places += [by_word.get(word.casefold(), -1) for word in spec.words]
            found.append(next((place for place in places if place >= 0), -1))
        return found

    def missing(self, vocabulary: Vocabulary) -> list[str]:
        """Classes that the bank has no picture of; they are decided by the text scores."""
        present = set(self.matcher(vocabulary).present)
        return [spec.name for index, spec in enumerate(vocabulary.classes) if index not in present]

    def own_supports(self, pixels: npt.NDArray[np.uint8]) -> list[int]:
        """Numbers of the support images with exactly these pixels; in this picture they should not count."""
        return self._pictures.get(pixel_hash(pixels), []) if self._pictures else []

    def background_score(self, config: SegmentConfig) -> str:
        """What stands for the background beside this bank's classes: the setting, or what ``auto`` means."""
        if config.background_score != "auto":
            return config.background_score
        given = all(record.origin.get("source") == GIVEN for record in self.bank.supports)
        return "top3_mean" if given or not config.text_with_bank else "max"

    def fuse(
        self,
        encoded: EncodedImage,
        scores: torch.Tensor,
        vocabulary: Vocabulary,
        config: SegmentConfig,
        *,
        without: Sequence[int],
    ) -> torch.Tensor:
        """Move the text scores's scores (N, K + 1) by the bank; of the same shape.

        Features are spread along the affinities of the image first, as text features are.
        """
        return fuse_prototypes(
            scores,
            self.match(encoded, vocabulary, config, without=without),
            has_background=vocabulary.has_background,
            config=config,
            background_score=self.background_score(config),
        )

    def match(
        self, encoded: EncodedImage, vocabulary: Vocabulary, config: SegmentConfig, *, without: Sequence[int]
    ) -> PrototypeMatch | None:
        """How like each class an image's patches look, or None: the bank has nothing for these classes."""
        matcher = self.matcher(vocabulary)
        if not matcher.present:
            return None
        return matcher.match(self._patches(encoded, matcher, config), without)

    def nearest_prototypes(
        self,
        encoded: EncodedImage,
        vocabulary: Vocabulary,
        labels: torch.Tensor,
        config: SegmentConfig,
        *,
        without: Sequence[int],
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """By space, each patch's nearest prototype of its class; see :meth:`PrototypeMatcher.winners`."""
        matcher = self.matcher(vocabulary)
        if not matcher.present:
            return {}
        return matcher.nearest_prototypes(self._patches(encoded, matcher, config), labels, without)

    @staticmethod
    def _patches(
        encoded: EncodedImage, matcher: PrototypeMatcher, config: SegmentConfig
    ) -> dict[str, torch.Tensor]:
        """Features ready to be matched, spread along the affinities of the image."""
        features = encoded.visual
        if config.affinity_scale > 0:
            affinity = softmax_affinity(encoded.tokens, config.affinity_scale)
            features = {name: affinity @ values for name, values in features.items()}
        return matcher.prepare(features)

    def describe(self) -> dict[str, Any]:
        """Which bank it is, for run.json."""
        return {
            "bank": None if self.path is None else self.path.name,
            "sha256": None if self.path is None else file_sha256(self.path),
            "plan": self.bank.metadata.get("plan"),
            "classes": len(self.bank.classes),
            "prototypes": {name: len(table) for name, table in self.bank.tables.items()},
            "spaces": [space.name for space in self.spaces],
        }
