"""The folder that is being segmented as its own pool: what is sure in one photo helps with the others.

The photos of a class are those in which the text scores, with foreground and appearance, is surest of it: by
the mean over a photo's best patches, not by a word for the whole photo, so that stuff is found too (an
image-text encoder has no picture of "road", but some photos have a road that fits the word better than all
the rest). Few photos are taken: the surest ones are nearly always right, and a wrong one makes a wrong
prototype.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.config import SegmentConfig
from ovseg.errors import InputError
from ovseg.files import digest, file_sha256
from ovseg.images import load_image
from ovseg.pipeline.encode import EncodedImage
from ovseg.pipeline.text_classifier import TextClassifier
from ovseg.pipeline.text_scores import text_scores
from ovseg.prototypes.config import PrototypeConfig
from ovseg.support.base import Origin, SupportImage
from ovseg.support.config import BankConfig
from ovseg.vocabulary import ClassSpec, Vocabulary

__all__ = ["SELF_BANK", "SelfPool", "margins"]

SELF_BANK = BankConfig(shots=6, prototypes=PrototypeConfig(kinds=("image",)))
"""How a folder's own bank is built."""
BEST_PATCHES = 0.05
"""Share of a photo's patches whose mean says how sure a class is there."""

Encode = Callable[[npt.NDArray[np.uint8]], EncodedImage]


def margins(scores: torch.Tensor) -> torch.Tensor:
    """(N, K + 1) scores of one image's patches to (K + 1,): mean over each class's best patches."""
    count = max(2, int(BEST_PATCHES * len(scores)))
    return scores.topk(min(count, len(scores)), dim=0).values.mean(dim=0)


class SelfPool:
    """Support images out of the folder itself (:class:`~ovseg.support.base.SupportSource`).

    Args:
        paths: The photos; what cannot be read is left out.
        vocabulary: All classes, which compete.
        names: Makes prompts of them.
        encode: Pixels to their encoding.
        config: Of the text scores.
        advance: Is told after each photo of the first look.

    Attributes:
        root: The folder that holds them all, to which their names are relative.
    """

    name = "self"

    def __init__(
        self,
        paths: Sequence[Path],
        vocabulary: Vocabulary,
        names: TextClassifier,
        encode: Encode,
        config: SegmentConfig,
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        self._paths = tuple(paths)
        self._classes = {spec.name: index for index, spec in enumerate(vocabulary.classes)}
        self._named, self._encode, self._config, self._advance = names, encode, config, advance
        absolute = [path.resolve() for path in self._paths]
        self.root = Path(os.path.commonpath([path.parent for path in absolute])) if absolute else Path()
        self._names_of = {
            path: place.relative_to(self.root).as_posix()
            for path, place in zip(self._paths, absolute, strict=True)
        }
        self._hashes = {path: file_sha256(path) for path in self._paths if path.is_file()}
        self._sure: npt.NDArray[np.float32] | None = None

    def images(self, spec: ClassSpec, shots: int) -> Iterator[SupportImage]:
        """The photos that are surest of a class, best first; looks at every photo once, at the first call."""
        if self._sure is None:
            self._sure = self._look()
        column = self._sure[:, 1 + self._classes[spec.name]]
        for index in np.argsort(-column, kind="stable")[:shots]:
            if column[index] <= 0:
                return
            path = self._paths[index]
            details = {"sureness": round(float(column[index]), 4)}
            origin = Origin(self.name, self._names_of[path], self._hashes[path], details=details)
            yield SupportImage(load_image(path).pixels, origin)

    def describe(self) -> dict[str, Any]:
        """Which photos they are."""
        photos = sorted((self._names_of[path], sha256) for path, sha256 in self._hashes.items())
        return {"source": self.name, "photos": len(photos), "sha256": digest(photos)}

    def _look(self) -> npt.NDArray[np.float32]:
        """(n, K + 1) how sure each class is in each photo; zeros for what cannot be read."""
        rows = np.zeros((len(self._paths), len(self._classes) + 1), np.float32)
        for index, path in enumerate(self._paths):
            try:
                pixels = load_image(path).pixels
            except InputError:
                self._hashes.pop(path, None)
                continue
            with torch.inference_mode():
                scores = text_scores(self._encode(pixels), self._named, self._config)
            rows[index] = margins(scores).cpu().numpy()
            self._advance()
        return rows
