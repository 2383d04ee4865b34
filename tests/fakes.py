"""Test doubles: a segmenter whose answers can be worked out by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.types import LabelMap, void_index
from ovseg.vocabulary import Vocabulary

STANDSTILL = 600.0
"""Seconds: as long as a test may take."""


class ColourSegmenter:
    """Labels by the strongest colour channel: red 1, green 2, blue 3, as far as there are classes; grey is 0.

    Confidence is the share of the strongest channel. Nothing but pixels and vocabulary enters the result.

    Args:
        seconds: Time to take for each image.
        halt: Images after which it stands still until its process is ended; None: never. A test that ends
            the process then comes in time, however slow the machine is.
        settings: What ``describe`` gives as its settings.
    """

    def __init__(self, seconds: float = 0.0, halt: int | None = None, **settings: Any) -> None:
        self.encoder_seconds = 0.0
        self.preset = "fake"
        self.note = "preset fake: colours instead of names"
        self.batches: list[int] = []
        self._seconds = seconds
        self._halt = halt
        self._settings = settings

    def segment_batch(
        self, images: Sequence[npt.NDArray[np.uint8]], vocabulary: Vocabulary
    ) -> list[LabelMap]:
        self.batches.append(len(images))
        return [self._one(image, vocabulary) for image in images]

    def describe(self) -> dict[str, Any]:
        weights = [{"name": "none", "sha256": "0" * 64, "licence": "Apache-2.0"}]
        return {
            "preset": self.preset,
            "device": "cpu",
            "weights": weights,
            "config": self._settings,
            "note": self.note,
        }

    def _one(self, image: npt.NDArray[np.uint8], vocabulary: Vocabulary) -> LabelMap:
        clock = time.perf_counter()
        time.sleep(self._seconds if self._halt != 0 else STANDSTILL)
        if self._halt is not None:
            self._halt -= 1
        values = image.astype(np.float32)
        strongest = values.argmax(-1) + 1
        grey = values.max(-1) == values.min(-1)
        dtype = np.uint8 if void_index(len(vocabulary)) == 255 else np.uint16
        labels = np.where(grey | (strongest > len(vocabulary)), 0, strongest).astype(dtype)
        confidence = (values.max(-1) / np.maximum(values.sum(-1), 1)).astype(np.float16)
        grid = labels[::8, ::8]
        scores = (grid == np.arange(len(vocabulary) + 1)[:, None, None]).astype(np.float16)
        self.encoder_seconds += time.perf_counter() - clock
        return LabelMap(labels, confidence, vocabulary.names, scores)
