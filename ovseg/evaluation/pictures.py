"""The best and the worst images beside their truth: chosen while the evaluation streams, kept as JPEGs."""

from __future__ import annotations

import heapq
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.evaluation.metrics import VOID
from ovseg.evaluation.record import ImageRecord
from ovseg.files import write_bytes
from ovseg.outputs.layer import label_layer

__all__ = ["Ranking", "picture_path", "render", "store_picture"]

SHOWN = 6
"""Images shown at either end."""
_WIDTH = 280


class Ranking:
    """The best and worst images so far, by score and then by place; memory does not grow."""

    def __init__(self, shown: int = SHOWN) -> None:
        self._shown = shown
        self._best: list[tuple[float, int]] = []  # heap, the least good of the best first
        self._worst: list[
            tuple[float, int]
        ] = []  # heap of (-score, -index), the least bad of the worst first

    def add(self, record: ImageRecord) -> bool:
        """Take an image into account; True when it is now among the best or the worst."""
        if np.isnan(record.score):
            return False
        taken = _push(self._best, (record.score, -record.index), self._shown)
        return _push(self._worst, (-record.score, -record.index), self._shown) or taken

    def best(self) -> list[int]:
        """Indices of the best images, best first."""
        return [-index for _, index in sorted(self._best, reverse=True)]

    def worst(self) -> list[int]:
        """Indices of the worst images, worst first."""
        return [-index for _, index in sorted(self._worst, reverse=True)]


def _push(heap: list[tuple[float, int]], item: tuple[float, int], size: int) -> bool:
    if len(heap) < size:
        heapq.heappush(heap, item)
        return True
    return heapq.heappushpop(heap, item) != item


def picture_path(folder: Path, index: int) -> Path:
    """Where the picture of an image lies in an evaluation's folder."""
    return folder / ".parts" / "pictures" / f"{index:06d}.jpg"


def store_picture(folder: Path, index: int, draw: Callable[[], bytes]) -> None:
    """Draw and keep the picture of an image, unless it is there."""
    path = picture_path(folder, index)
    if not path.is_file():
        write_bytes(path, draw())


def render(
    photo: npt.NDArray[np.uint8],
    truth: npt.NDArray[np.uint8],
    prediction: npt.NDArray[np.uint8],
    *,
    background: bool,
) -> bytes:
    """Photo, truth and prediction side by side, as JPEG.

    Args:
        photo: (H, W, 3) uint8.
        truth: (H, W) uint8 indices, 255 void.
        prediction: (H, W) uint8 indices, 255 no answer.
        background: Whether index 0 is background, which stays clear.
    """
    height, width = truth.shape
    size = (max(1, round(height * _WIDTH / width)), _WIDTH)
    small = Image.fromarray(photo).resize((size[1], size[0]), Image.Resampling.BOX)
    sheet = Image.new("RGB", (3 * _WIDTH + 8, size[0]), "white")
    sheet.paste(small, (0, 0))
    for place, labels in enumerate((truth, prediction), start=1):
        # Colours are those of masks: 0 clear, class i in the palette's colour i; void stays clear.
        shown = np.where(labels == VOID, 0, labels if background else labels + np.uint16(1)).astype(np.uint16)
        layer = label_layer(shown, size).convert("RGBA")
        sheet.paste(
            Image.alpha_composite(small.convert("RGBA"), layer).convert("RGB"), (place * (_WIDTH + 4), 0)
        )
    stream = io.BytesIO()
    sheet.save(stream, "JPEG", quality=85)
    return stream.getvalue()
