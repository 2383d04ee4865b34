"""Where predictions come from: a segmenter that runs now. (Folders of predictions: ``prediction_folder``.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ovseg.errors import DatasetError, UsageError
from ovseg.evaluation.datasets.base import Dataset, Sample
from ovseg.evaluation.metrics import VOID
from ovseg.images import ImageLimits, load_image
from ovseg.types import LabelMap
from ovseg.vocabulary import Vocabulary

__all__ = [
    "Prediction",
    "Predictor",
    "SegmenterLike",
    "SegmenterPredictor",
    "load_pixels",
    "match_vocabulary",
]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Prediction:
    """What was predicted for one image, in the data set's own indices.

    Attributes:
        labels: (H, W) uint8 class indices; 255 = no answer.
        confidence: (H, W) float16 in [0, 1], or None where only labels are known.
    """

    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.float16] | None = None


Input = TypeVar("Input")


class Predictor(Protocol[Input]):
    """Anything whose answers are to be measured: reads in one thread, answers in another."""

    def describe(self) -> dict[str, Any]:
        """What it is, as JSON: whatever can change its answers. Part of the identity of an evaluation."""
        ...

    def load(self, sample: Sample, size: tuple[int, int]) -> Input:
        """Read what an answer needs, ahead of time; ``size`` is the (H, W) of the truth."""
        ...

    def predict(self, inputs: Sequence[Input]) -> list[Prediction]:
        """Answers for a batch of images."""
        ...


class SegmenterLike(Protocol):
    """What is asked of a segmenter (``ovseg.pipeline.Segmenter``, or a test's own)."""

    def segment_batch(self, images: list[Pixels], vocabulary: Vocabulary) -> Sequence[LabelMap]:
        """Segment (H, W, 3) uint8 images of any sizes."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Preset, weights with hashes, configuration."""
        ...


class SegmenterPredictor:
    """A segmenter run with a vocabulary whose classes are the data set's, in its order.

    Args:
        segmenter: It is asked for label maps; label 0 is background, label i the vocabulary's class i - 1.
        vocabulary: One class for each class of the data set (background not counted).
        dataset: Where background is a class, label 0 is that class; elsewhere every pixel gets a name.

    Raises:
        UsageError: The vocabulary does not have as many classes as the data set.
    """

    def __init__(self, segmenter: SegmenterLike, vocabulary: Vocabulary, dataset: Dataset) -> None:
        self._segmenter = segmenter
        self._vocabulary = match_vocabulary(vocabulary, dataset)
        shift = 0 if dataset.has_background else 1
        # Label to index; background in a set without it, and abstention, are no answers.
        self._table = np.full(256, VOID, np.uint8)
        labels = np.arange(shift, len(vocabulary) + 1)
        self._table[labels] = labels - shift

    def describe(self) -> dict[str, Any]:
        """The segmenter's own description, less its note to the user (``auto`` and its choice are one)."""
        about = {"kind": "segmenter", **self._segmenter.describe()}
        about.pop("note", None)
        return about

    def load(self, sample: Sample, size: tuple[int, int]) -> Pixels:
        """The photo; see ``load_pixels``."""
        return load_pixels(sample, size)

    def predict(self, inputs: Sequence[Pixels]) -> list[Prediction]:
        """Segment a batch of photos."""
        answers = self._segmenter.segment_batch(list(inputs), self._vocabulary)
        return [Prediction(self._table[answer.labels], answer.confidence) for answer in answers]


def match_vocabulary(vocabulary: Vocabulary, dataset: Dataset) -> Vocabulary:
    """``vocabulary`` with the data set's say on background.

    Raises:
        UsageError: It does not have as many classes as the data set.
    """
    expected = len(dataset.foreground)
    if len(vocabulary) != expected:
        raise UsageError(
            f"vocabulary {vocabulary.source} has {len(vocabulary)} classes, {dataset.card.name} has"
            f" {expected}: give one with the data set's classes in its order"
        )
    return vocabulary if dataset.has_background else vocabulary.without_background()


def load_pixels(sample: Sample, size: tuple[int, int]) -> Pixels:
    """The photo of a sample at its own size.

    Raises:
        InputError: It cannot be read.
        DatasetError: It is not of the size (H, W) of its truth.
    """
    pixels = load_image(sample.image, working_pixels=ImageLimits.bomb_pixels).pixels
    if pixels.shape[:2] != size:
        raise DatasetError(
            f"{sample.image} has {pixels.shape[1]}x{pixels.shape[0]} pixels, its truth {size[1]}x{size[0]}"
        )
    return pixels
