"""From the working resolution to the image's own: one rule for masks, run lengths and boxes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["BAND_PIXELS", "nearest_index", "nearest_starts", "upscaled_bands"]

BAND_PIXELS = 1 << 22
"""Pixels that are expanded at a time: large images are written in bands of rows, in flat memory."""


def nearest_index(length: int, cells: int) -> npt.NDArray[np.intp]:
    """Cell under the centre of each of ``length`` pixels, for ``cells`` cells over the same extent.

    Pixel ``i`` gets cell ``floor((i + 1/2) * cells / length)``, in integers, so that nothing rounds.

    Returns:
        (length,) int, ascending, in [0, cells).
    """
    return ((2 * np.arange(length, dtype=np.int64) + 1) * cells // (2 * length)).astype(np.intp)


def nearest_starts(length: int, cells: int) -> npt.NDArray[np.int64]:
    """First pixel of each cell under ``nearest_index``, and ``length`` at the end.

    Returns:
        (cells + 1,) int64, ascending; a cell without pixels (cells > length) starts where the next one does.
    """
    return np.searchsorted(nearest_index(length, cells), np.arange(cells + 1)).astype(np.int64)


def upscaled_bands(
    labels: npt.NDArray[np.generic], size: tuple[int, int]
) -> Iterator[npt.NDArray[np.generic]]:
    """Label map at ``size`` by nearest neighbour, band by band from the top.

    Args:
        labels: (h, w).
        size: (H, W).

    Yields:
        (rows, W) arrays of the dtype of ``labels`` whose rows add up to H.
    """
    height, width = size
    rows, columns = nearest_index(height, labels.shape[0]), nearest_index(width, labels.shape[1])
    step = max(1, BAND_PIXELS // width)
    for top in range(0, height, step):
        band = labels[rows[top : top + step]]
        yield band if labels.shape[1] == width else band[:, columns]
