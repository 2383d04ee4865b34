"""The folder that is being segmented as its own pool: confident photos of a class support the others.

The photos of a class are those with the highest text scores for it: by the mean over a photo's best patches,
not by image-level scores, so that stuff is found too (an image-text encoder has no picture of "road", but
some photos have a road that fits the word better than all others). Few photos are taken: the most confident
ones are nearly always right, and a wrong one makes a wrong prototype.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.config import FusionConfig
from ovseg.errors import InputError
from ovseg.files import digest, file_sha256
from ovseg.images import load_image
from ovseg.matching.prompts import TextClassifier
from ovseg.matching.text_scores import text_scores
from ovseg.pipeline.bank_build import Encode
from ovseg.prototypes.config import PrototypeConfig
from ovseg.support.base import Origin, SupportImage
from ovseg.support.config import BankConfig
from ovseg.vocabulary import ClassSpec

__all__ = ["SELF_BANK", "SelfPool", "class_confidence"]

SELF_BANK = BankConfig(shots=6, prototypes=PrototypeConfig(kinds=("image",)))
"""How a folder's own bank is built."""
BEST_PATCHES = 0.05
"""Share of a photo's patches whose mean score is the confidence of a class there."""


def class_confidence(scores: torch.Tensor) -> torch.Tensor:
    """Return the (K + 1,) mean of each class's best patches for (N, K + 1) scores of one image."""
    count = max(2, int(BEST_PATCHES * len(scores)))
    return scores.topk(min(count, len(scores)), dim=0).values.mean(dim=0)


class SelfPool:
    """Support images out of the folder itself (:class:`~ovseg.support.base.SupportSource`).

    Args:
        paths: The photos; what cannot be read is left out.
        classifier: All classes, which compete.
        encode: Pixels to their encoding.
        config: Of the text scores.
        advance: Called after each photo of the first pass.

    Attributes:
        root: The folder that holds them all, to which their names are relative.
    """

    name = "self"

    def __init__(
        self,
        paths: Sequence[Path],
        classifier: TextClassifier,
        encode: Encode,
        config: FusionConfig,
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        self._paths = tuple(paths)
        self._classes = {spec.name: index for index, spec in enumerate(classifier.vocabulary.classes)}
        self._classifier, self._encode, self._config, self._advance = classifier, encode, config, advance
        absolute = [path.resolve() for path in self._paths]
        self.root = Path(os.path.commonpath([path.parent for path in absolute])) if absolute else Path()
        self._names_of = {
            path: target.relative_to(self.root).as_posix()
            for path, target in zip(self._paths, absolute, strict=True)
        }
        self._hashes = {path: file_sha256(path) for path in self._paths if path.is_file()}
        self._confidence: npt.NDArray[np.float32] | None = None

    def images(self, spec: ClassSpec, shots: int) -> Iterator[SupportImage]:
        """Yield the most confident photos of a class, best first; the first call scores every photo."""
        if self._confidence is None:
            self._confidence = self._score_photos()
        column = self._confidence[:, 1 + self._classes[spec.name]]
        for index in np.argsort(-column, kind="stable")[:shots]:
            if column[index] <= 0:
                return
            path = self._paths[index]
            details = {"confidence": round(float(column[index]), 4)}
            origin = Origin(self.name, self._names_of[path], self._hashes[path], details=details)
            yield SupportImage(load_image(path).pixels, origin)

    def describe(self) -> dict[str, Any]:
        """Return which photos they are."""
        photos = sorted((self._names_of[path], sha256) for path, sha256 in self._hashes.items())
        return {"source": self.name, "photos": len(photos), "sha256": digest(photos)}

    def _score_photos(self) -> npt.NDArray[np.float32]:
        """Return the (n, K + 1) confidence of each class in each photo; zeros for what cannot be read."""
        rows = np.zeros((len(self._paths), len(self._classes) + 1), np.float32)
        for index, path in enumerate(self._paths):
            try:
                pixels = load_image(path).pixels
            except InputError:
                self._hashes.pop(path, None)
                continue
            with torch.inference_mode():
                scores = text_scores(self._encode(pixels), self._classifier, self._config)
            rows[index] = class_confidence(scores).cpu().numpy()
            self._advance()
        return rows
