"""The runs behind ``ovseg bench shots``: every photo is encoded once, and decided on with every bank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ovseg.config import SegmentConfig
from ovseg.encoders.presets import Preset
from ovseg.errors import UsageError
from ovseg.evaluation.datasets.base import Dataset, Sample
from ovseg.evaluation.metrics import VOID
from ovseg.evaluation.predictions import load_pixels, match_vocabulary
from ovseg.files import file_sha256
from ovseg.pipeline.benchmarks.shots_table import ShotRow, choose_support, class_annotation, shot_rows
from ovseg.pipeline.segmenter import Segmenter
from ovseg.pipeline.support_encoder import annotation_on_grid
from ovseg.pipeline.text_classifier import enriched
from ovseg.prototypes import (
    PrototypeBank,
    PrototypeConfig,
    SupportRecord,
    SupportView,
    class_bank,
    merge_banks,
)
from ovseg.vocabulary import Vocabulary

__all__ = ["ShotsBench"]

Labels = npt.NDArray[np.uint8]


class ShotsBench:
    """A data set with masks, part of which is given as support.

    Args:
        dataset: Without background.
        vocabulary: Its classes, in its order.
        encoders: A loaded preset.
        config: How to segment.
        work: Folder for encoded images.
        tick: Called after each image that is encoded.

    Raises:
        UsageError: The data set has a background, or the vocabulary other classes.
    """

    def __init__(
        self,
        dataset: Dataset,
        vocabulary: Vocabulary,
        encoders: Preset,
        config: SegmentConfig,
        work: Path,
        *,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        if dataset.has_background:
            raise UsageError("shots are measured on data sets without background: every class needs support")
        self._dataset, self._encoders, self._config, self._tick = dataset, encoders, config, tick
        self._vocabulary = match_vocabulary(vocabulary, dataset)
        self._keeper = Segmenter(encoders, config)
        self._keeper.keep_encodings(work / "encoded")
        self._samples: dict[str, Sample] = {sample.name: sample for sample in dataset.samples}
        self._truths: dict[str, Labels] = {sample.name: sample.read_truth() for sample in dataset.samples}
        self._stuff = [spec.kind == "stuff" for spec in enriched(vocabulary.classes, encoders.image_text)]

    def rows(
        self,
        shots: Sequence[int],
        *,
        seed: int,
        images: int | None = None,
        prototypes: PrototypeConfig | None = None,
    ) -> list[ShotRow]:
        """Measure; see ``shot_rows``."""
        support = choose_support(self._truths, len(self._vocabulary), max(shots), seed=seed)
        config = prototypes or PrototypeConfig()
        segmenters: dict[int, Segmenter] = {}

        def answer(number: int, name: str) -> Labels:
            if number not in segmenters:
                segmenters.clear()
                bank = self.bank([names[:number] for names in support], config) if number else None
                segmenters[number] = Segmenter(self._encoders, self._config, bank=bank)
            pixels = self._pixels(name)
            encoded = self._keeper.encode(pixels)
            labels = segmenters[number].decide(encoded, pixels, self._vocabulary).labels
            self._tick()
            # Labels count from 1; 0 is background, which is no answer here.
            return np.where((labels == 0) | (labels == VOID), VOID, labels - 1).astype(np.uint8)

        return shot_rows(self._dataset, self._truths, support, shots, answer, images=images)

    def bank(self, support: Sequence[Sequence[str]], config: PrototypeConfig) -> PrototypeBank:
        """The bank of the support images of each class, with the truth as their masks."""
        known = self._encoders.fingerprints()
        fingerprints = {space.name: known[space.name] for space in self._encoders.spaces}
        parts = []
        for index, spec in enumerate(self._vocabulary.classes):
            views = [
                view for view in (self._view(name, index) for name in support[index]) if view is not None
            ]
            parts.append(class_bank(spec, views, fingerprints, config, stuff=self._stuff[index]))
        return merge_banks(parts, clean=config.clean, metadata={"made": "ovseg bench shots"})

    def _view(self, name: str, index: int) -> SupportView | None:
        """An image with the truth of one class as its mask; None where no patch is mostly the class."""
        pixels = self._pixels(name)
        encoded = self._keeper.encode(pixels)
        shares = annotation_on_grid(class_annotation(self._truths[name], index), encoded.grid).numpy()
        foreground = np.nan_to_num(shares, nan=0.0).reshape(encoded.grid) >= 0.5
        if not foreground.any():
            return None
        path = self._samples[name].image
        origin = {
            "source": "folder",
            "name": f"{name}{path.suffix}",
            "sha256": file_sha256(path),
            "licence": "unknown",
            "details": {"mark": "given"},
        }
        return SupportView(
            record=SupportRecord(0, origin, (pixels.shape[0], pixels.shape[1]), encoded.grid),
            foreground=foreground,
            background=(shares == 0).reshape(encoded.grid),
            features={space: values.cpu().numpy() for space, values in encoded.prototype_features.items()},
            tokens=encoded.tokens.cpu().numpy(),
        )

    def _pixels(self, name: str) -> npt.NDArray[np.uint8]:
        size = self._truths[name].shape
        return load_pixels(self._samples[name], (size[0], size[1]))
