"""Segment images by names: encode, then decide."""

from __future__ import annotations

import copy
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, Unpack, overload

import numpy as np
import numpy.typing as npt
import torch

from ovseg.config import SegmentConfig
from ovseg.encoders.context import LoadContext
from ovseg.encoders.presets import Preset, choose_preset, preset_note
from ovseg.encoders.roles import ModelChoice
from ovseg.images import ImageLike, LoadedImage, as_image
from ovseg.matching.encoded_image import EncodedImage
from ovseg.matching.prompts import TextClassifier
from ovseg.memory import Allocator, BoundedCache
from ovseg.outputs.segmentation import Segmentation
from ovseg.pipeline.bank_matching import BankMatcher, bank_vocabulary, pixel_hash, preset_of_bank
from ovseg.pipeline.decide import patch_scores
from ovseg.pipeline.encode import encode_images
from ovseg.pipeline.encoding_store import EncodingStore
from ovseg.pipeline.settings import SegmentSettings
from ovseg.pipeline.text_classifier import text_classifier
from ovseg.pipeline.timer import Timer
from ovseg.prototypes import PrototypeBank, load_bank
from ovseg.refinement import label_map
from ovseg.version import __version__
from ovseg.vocabulary import ClassNames, Vocabulary, as_vocabulary

VOCABULARIES = 16
"""Vocabularies that are kept ready."""
BATCH = 8
"""Images of a list that go through the encoders together on an accelerator; on a CPU it is one at a time."""

OneImage = TypeVar("OneImage", bound=ImageLike)

_log = logging.getLogger(__name__)


class Segmenter:
    """Names in, label maps out.

    Example::

        from ovseg import Segmenter

        segmenter = Segmenter("offline")
        result = segmenter("photo.jpg", "cat, dog")
        result.labels  # (H, W) uint8: 0 background, 1 cat, 2 dog

    A segmenter may be shared by threads: calls of ``segment`` take turns. Of the other methods, one thread at
    a time may use any.

    Args:
        preset: A name from ``list_presets()``, or ``auto``: the one that made the bank where there is one
            (and no ``roles``), and else the best whose weights are here. Or a preset that is loaded already.
            Nothing is downloaded.
        config: How to segment.
        note: One line on which preset was taken, where one is given that is loaded already.
        bank: What the classes look like: a bank, or its file; without one, names decide alone.
        roles: Models that take the place of the preset's own.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        cache_dir: Where converted weights are kept.
        settings: Settings of ``config`` by name, as in ``Segmenter("offline", refine="none")``.

    Raises:
        UnknownName: No preset or model of that name.
        UsageError: No such device or dtype.
        ConfigError: A setting is unknown or out of range.
        WeightsUnavailable: Weights are missing or have another hash.
        BankMismatch: The bank was made by other encoders, or is no bank.
    """

    def __init__(
        self,
        preset: str | Preset = "auto",
        config: SegmentConfig | None = None,
        note: str = "",
        *,
        bank: PrototypeBank | Path | str | None = None,
        roles: ModelChoice = ModelChoice(),  # noqa: B008 (frozen)
        device: str = "auto",
        dtype: str = "auto",
        cache_dir: str | Path | None = None,
        **settings: Unpack[SegmentSettings],
    ) -> None:
        self.config = (config or SegmentConfig()).with_settings(**settings)
        if bank is not None and not isinstance(bank, PrototypeBank):
            bank = load_bank(bank)
        if isinstance(preset, Preset):
            self.encoders, self.note = preset, note
        else:
            context = LoadContext.resolve(device, dtype, cache_dir)
            if preset == "auto" and bank is not None and not roles.given:
                preset = preset_of_bank(bank)
            card = choose_preset(preset, roles)
            _log.info("loading preset %s on %s", card.name, context.device)
            self.encoders = Preset(card, context).load("backbone", "image_text")
            self.note = preset_note(preset, card)
        self._timer = Timer(self.encoders.device)
        self._allocator = Allocator()
        self._classifiers: BoundedCache[TextClassifier] = BoundedCache(VOCABULARIES)
        self._turn = threading.RLock()
        self.bank = None if bank is None else BankMatcher(bank, self.encoders)
        self.store: EncodingStore | None = None

    @property
    def preset(self) -> str:
        """Name of the preset in use."""
        return self.encoders.name

    @property
    def encoder_seconds(self) -> float:
        """Seconds spent in the encoders' forward passes so far."""
        return self._timer.seconds

    def describe(self) -> dict[str, Any]:
        """Preset, device, weights with hashes and licences, settings: JSON-able, for run.json."""
        about = self.encoders.describe() | {"note": self.note, "config": self.config.to_dict()}
        return about if self.bank is None else about | {"bank": self.bank.describe()}

    @overload
    def segment(
        self,
        image: ImageLike,
        classes: ClassNames | None = None,
        *,
        background: bool | None = None,
        **settings: Unpack[SegmentSettings],
    ) -> Segmentation: ...

    @overload
    def segment(
        self,
        image: list[OneImage] | tuple[OneImage, ...],
        classes: ClassNames | None = None,
        *,
        background: bool | None = None,
        **settings: Unpack[SegmentSettings],
    ) -> list[Segmentation]: ...

    def segment(
        self,
        image: ImageLike | list[OneImage] | tuple[OneImage, ...],
        classes: ClassNames | None = None,
        *,
        background: bool | None = None,
        **settings: Unpack[SegmentSettings],
    ) -> Segmentation | list[Segmentation]:
        """Segment an image, or a list of images; safe between threads.

        Args:
            image: A path, bytes, a file object, a Pillow image, an array or a tensor (see
                ``ovseg.images.as_image``), or a list of them.
            classes: Names (``"cat, dog"``, ``["cat", "sofa=sofa,couch"]``) or a vocabulary; None: those of
                the bank.
            background: Whether a pixel may be none of the classes; None: as the vocabulary says, else True.
            settings: Settings of ``config`` for this call, as in ``refine="none"``.

        Returns:
            Labels of the image's own size; for a list, a list in its order.

        Raises:
            InputError: An image cannot be read or is none; the line says what to do.
            UsageError: No classes, or one twice.
            ConfigError: A setting is unknown or out of range.
        """
        if classes is None:
            classes = bank_vocabulary(self.bank.bank) if self.bank is not None else []
        vocabulary = as_vocabulary(classes, background)
        segmenter = self.with_settings(**settings)
        if not isinstance(image, list | tuple):
            return segmenter._segment([image], vocabulary)[0]
        size = 1 if self.encoders.device.type == "cpu" else BATCH
        batches = (image[start : start + size] for start in range(0, len(image), size))
        return [found for batch in batches for found in segmenter._segment(batch, vocabulary)]

    __call__ = segment

    def with_settings(self, **settings: Unpack[SegmentSettings]) -> Segmenter:
        """Return a segmenter that shares everything with this one but some settings.

        Raises:
            ConfigError: A setting is unknown or out of range.
        """
        if not settings:
            return self
        other = copy.copy(self)
        other.config = self.config.with_settings(**settings)
        # What it holds was encoded with the settings of this one.
        other.store = None
        return other

    def _segment(self, images: Sequence[ImageLike], vocabulary: Vocabulary) -> list[Segmentation]:
        loaded: list[LoadedImage] = [as_image(image) for image in images]
        with self._turn:
            found = self.segment_batch([image.pixels for image in loaded], vocabulary)
        sources = [Path(image) if isinstance(image, str | os.PathLike) else None for image in images]
        return [
            replace(result.at_size(image.size), source=source)
            for result, image, source in zip(found, loaded, sources, strict=True)
        ]

    def segment_batch(
        self, images: Sequence[npt.NDArray[np.uint8]], vocabulary: Vocabulary
    ) -> list[Segmentation]:
        """Segment (H, W, 3) uint8 RGB images of any sizes: encoded together, decided each on its own."""
        found = []
        for encoded, pixels in zip(self.encode_batch(images), images, strict=True):
            found.append(self.decide(encoded, pixels, vocabulary))
            self._allocator.trim()
        return found

    def encode(self, pixels: npt.NDArray[np.uint8]) -> EncodedImage:
        """Encode an image once; :meth:`decide` may then be asked with many vocabularies."""
        return self.encode_batch([pixels])[0]

    @torch.inference_mode()
    def encode_batch(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[EncodedImage]:
        """Encode (H, W, 3) uint8 RGB images, those of one size in one pass."""
        if self.store is None:
            spaces = () if self.bank is None else self.bank.spaces
            return encode_images(images, self.encoders, self.config.encoding, self._timer, spaces)
        keys = [pixel_hash(pixels) for pixels in images]
        found = {key: kept for key in keys if (kept := self.store.get(key, self.encoders.device)) is not None}
        missing = {key: pixels for key, pixels in zip(keys, images, strict=True) if key not in found}
        made = encode_images(
            list(missing.values()), self.encoders, self.config.encoding, self._timer, self.encoders.spaces
        )
        found |= {key: self.store.put(key, encoded) for key, encoded in zip(missing, made, strict=True)}
        return [found[key] for key in keys]

    def use_bank(self, bank: PrototypeBank | Path | str) -> BankMatcher:
        """Let a bank take part from now on.

        Raises:
            BankMismatch: It was made by other encoders, or is no bank.
        """
        self.bank = BankMatcher(bank, self.encoders)
        return self.bank

    def keep_encodings(self, folder: Path) -> EncodingStore:
        """Keep what is encoded from now on in a folder, and take from there what is in it."""
        encoders = self.encoders
        identity = {
            "ovseg": __version__,
            "image_text": encoders.image_text.describe(),
            "backbone": encoders.backbone.describe(),
            "spaces": encoders.fingerprints(),
            "settings": self.config.encoding.to_dict(),
        }
        self.store = EncodingStore(folder, identity, self.config.encoding.affinity_scale)
        return self.store

    def classifier_for(self, vocabulary: Vocabulary) -> TextClassifier:
        """Return a vocabulary ready for this segmenter's encoders; the last ones are kept.

        Segmenters that differ in settings share what is kept (``with_settings``): these are in the key.
        """
        return self._classifiers.get(
            f"{vocabulary.hash} {self.config.fusion}",
            lambda: text_classifier(vocabulary, self.encoders.image_text, self.config.fusion),
        )

    @torch.inference_mode()
    def decide(
        self, encoded: EncodedImage, pixels: npt.NDArray[np.uint8], vocabulary: Vocabulary
    ) -> Segmentation:
        """Label an encoded image.

        With ``keep_nearest``, ``details["nearest_prototypes"]`` has for each space the (h, w) rows of the
        bank's table that are nearest to the patches among those of their class (-1: none), and their cosines.
        """
        config, bank = self.config, self.bank
        classifier = self.classifier_for(vocabulary)
        excluded = [] if bank is None else bank.own_supports(pixels)
        scores = patch_scores(encoded, classifier, config, bank, excluded)
        grid_scores = scores.T.reshape(-1, *encoded.grid)
        labels, confidence = label_map(grid_scores, pixels, config.refinement)
        details: dict[str, Any] = {}
        if bank is not None and config.keep_nearest:
            found = bank.nearest_prototypes(encoded, vocabulary, scores.argmax(dim=1) - 1, excluded)
            details["nearest_prototypes"] = {
                name: (rows.reshape(encoded.grid).cpu().numpy(), cosines.reshape(encoded.grid).cpu().numpy())
                for name, (rows, cosines) in found.items()
            }
        kept = grid_scores.cpu().numpy().astype(np.float16) if config.keep_scores else None
        return Segmentation(labels, confidence, vocabulary.names, scores=kept, details=details)
