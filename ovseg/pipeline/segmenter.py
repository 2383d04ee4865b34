"""Segment images by names: encode, then decide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ovseg.config import SegmentConfig
from ovseg.device import resolve_device, resolve_dtype
from ovseg.encoders.presets import Encoders, choose_preset, preset_note
from ovseg.encoders.roles import ModelChoice
from ovseg.images import load_image
from ovseg.matching.encoded_image import EncodedImage
from ovseg.matching.prompts import TextClassifier
from ovseg.memory import Allocator, BoundedCache
from ovseg.pipeline.bank_matching import BankMatcher, bank_vocabulary, pixel_hash, preset_of_bank
from ovseg.pipeline.decide import patch_scores
from ovseg.pipeline.encode import encode_images
from ovseg.pipeline.encoding_store import EncodingStore
from ovseg.pipeline.text_classifier import text_classifier
from ovseg.pipeline.timer import Timer
from ovseg.prototypes import PrototypeBank, load_bank
from ovseg.refinement import label_map
from ovseg.types import Segmentation
from ovseg.version import __version__
from ovseg.vocabulary import Vocabulary, parse_classes

VOCABULARIES = 16
"""Vocabularies that are kept ready."""

ImageLike = npt.NDArray[np.uint8] | Image.Image | Path | str


class Segmenter:
    """Names in, label maps out.

    Example::

        from ovseg import Segmenter

        result = Segmenter.from_preset("offline").segment("photo.jpg", ["cat", "dog"])
        result.labels  # (H, W) uint8: 0 background, 1 cat, 2 dog

    Args:
        encoders: A loaded preset.
        config: How to segment.
        note: One line on which preset was taken and how to get a better one.
        bank: What the classes look like: a bank, or its file; without one, names decide alone.

    Raises:
        BankMismatch: The bank was made by other encoders.
    """

    def __init__(
        self,
        encoders: Encoders,
        config: SegmentConfig | None = None,
        note: str = "",
        *,
        bank: PrototypeBank | Path | str | None = None,
    ) -> None:
        self.encoders = encoders
        self.config = config or SegmentConfig()
        self.note = note
        self._timer = Timer(encoders.device)
        self._allocator = Allocator()
        self._classifiers: BoundedCache[TextClassifier] = BoundedCache(VOCABULARIES)
        self.bank = None if bank is None else BankMatcher(bank, encoders)
        self.store: EncodingStore | None = None

    @classmethod
    def from_preset(
        cls,
        preset: str = "auto",
        *,
        roles: ModelChoice = ModelChoice(),  # noqa: B008 (frozen)
        device: str = "auto",
        dtype: str = "auto",
        config: SegmentConfig | None = None,
        cache_dir: Path | None = None,
        bank: PrototypeBank | Path | str | None = None,
    ) -> Segmenter:
        """Load a preset's encoders; downloads nothing.

        Args:
            preset: A name from ``ovseg models list``, or ``auto``: the one that made the bank where there is
                one (and no ``roles``), and else the best whose weights are here.
            roles: Models that take the place of the preset's own.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
            dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
            config: How to segment.
            cache_dir: Where converted weights are kept.
            bank: A bank of prototypes, or its file.

        Raises:
            UnknownName: No preset or model of that name.
            UsageError: No such device or dtype.
            WeightsUnavailable: Weights are missing or have another hash.
            BankMismatch: The bank was made by other encoders, or is no bank.
        """
        place = resolve_device(device)
        if bank is not None and not isinstance(bank, PrototypeBank):
            bank = load_bank(Path(bank))
        if preset == "auto" and bank is not None and not roles.given:
            preset = preset_of_bank(bank)
        card = choose_preset(preset, roles)
        encoders = card.load(place, resolve_dtype(dtype, place), cache_dir)
        return cls(encoders, config, preset_note(preset, card), bank=bank)

    @property
    def preset(self) -> str:
        """Name of the preset in use."""
        return self.encoders.preset

    @property
    def encoder_seconds(self) -> float:
        """Seconds spent in the encoders' forward passes so far."""
        return self._timer.seconds

    def describe(self) -> dict[str, Any]:
        """Preset, device, weights with hashes and licences, settings: JSON-able, for run.json."""
        about = self.encoders.describe() | {"note": self.note, "config": self.config.to_dict()}
        return about if self.bank is None else about | {"bank": self.bank.describe()}

    def segment(self, image: ImageLike, classes: Vocabulary | Sequence[str] | None = None) -> Segmentation:
        """Segment one image.

        Args:
            image: A path, a Pillow image, or (H, W, 3) uint8 RGB.
            classes: A vocabulary, or names as ``-c`` takes them (``"cat"``, ``"sofa=sofa,couch"``); None:
                those of the bank.

        Raises:
            InputError: The file cannot be read as an image.
            UsageError: No classes, or one twice.
        """
        if classes is None:
            classes = bank_vocabulary(self.bank.bank) if self.bank is not None else []
        vocabulary = classes if isinstance(classes, Vocabulary) else Vocabulary(parse_classes(list(classes)))
        return self.segment_batch([_pixels(image)], vocabulary)[0]

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
        """Return a vocabulary ready for this segmenter's encoders; the last ones are kept."""
        return self._classifiers.get(
            vocabulary.hash,
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


def _pixels(image: ImageLike) -> npt.NDArray[np.uint8]:
    if isinstance(image, str | Path):
        return load_image(Path(image)).pixels
    if isinstance(image, Image.Image):
        return np.array(image.convert("RGB"))
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8 pixels, got {image.shape} {image.dtype}")
    return image
