"""A segmenter that reads its answer from the colours, and data sets painted for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import evaluation_trees as trees
import numpy as np

from ovseg.types import LabelMap
from ovseg.vocabulary import ClassSpec, Vocabulary

STEP = 20


class ColourSegmenter:
    """Label = red // STEP, green its confidence; optionally wrong in a fixed way, and slow.

    After ``halt`` images it stands still until its process is ended.
    """

    def __init__(
        self, *, shift: int = 0, seconds: float = 0.0, halt: int | None = None, name: str = "colours"
    ) -> None:
        self._shift, self._seconds, self._halt, self._name = shift, seconds, halt, name
        self.batches: list[int] = []
        # It knows no words, so it has none that windows could be compared with.
        self.encoders = SimpleNamespace(image_text=None, name=name)

    def segment_batch(self, images: list[np.ndarray], vocabulary: Vocabulary) -> Sequence[LabelMap]:
        if self._halt is not None and sum(self.batches) >= self._halt:
            time.sleep(600)
        self.batches.append(len(images))
        time.sleep(self._seconds * len(images))
        answers = []
        for image in images:
            labels = (image[..., 0] // STEP + self._shift) % (len(vocabulary) + 1)
            if not vocabulary.has_background:
                labels = np.maximum(labels, 1)
            confidence = (image[..., 1] / 255).astype(np.float16)
            answers.append(LabelMap(labels.astype(np.uint8), confidence, vocabulary.names))
        return answers

    def describe(self) -> dict[str, object]:
        # A note to the user is no part of what a segmenter is: it may differ where answers do not.
        return {"preset": self._name, "shift": self._shift, "note": f"segmenter number {id(self)}"}


def painted(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """A photo in which ``ColourSegmenter`` sees ``labels``; void is seen as 0."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (*labels.shape, 3), dtype=np.uint8)
    pixels[..., 0] = np.where(labels == 255, 0, labels) * STEP + STEP // 2
    return pixels


def painted_folder(
    root: Path, classes: tuple[str, ...], count: int, *, size: tuple[int, int] = (40, 48), noise: float = 0.0
) -> None:
    """A folder data set with background whose photos show the truth, but for a share of ``noise``."""
    truths, pixels = {}, {}
    for i in range(count):
        name = f"photo{i:03d}"
        truths[name] = trees.random_values(len(classes), (size[0] + i % 3, size[1]), i)
        seen = truths[name].copy()
        generator = np.random.default_rng(1000 + i)
        wrong = generator.random(seen.shape) < noise
        seen[wrong] = generator.integers(0, len(classes), int(wrong.sum()))
        pixels[name] = painted(seen, i)
    trees.folder(root, classes, truths, pixels)


def vocabulary_of(names: Sequence[str], *, background: bool = True) -> Vocabulary:
    return Vocabulary(tuple(ClassSpec(name) for name in names), has_background=background, source="test")
