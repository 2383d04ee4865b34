"""Perceptual hashes: which pictures are near copies of each other.

pHash (Zauner, 2010): the signs, against their median, of the 8 x 8 lowest frequencies of the picture's cosine
transform. It survives resizing, recompression and small changes of brightness; crops, mirroring and turns
change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["DISTANCE", "image_hash", "near_copies"]

DISTANCE = 6
"""Bits of 64 in which near copies may differ."""
_SIDE, _LOW = 32, 8
_CHUNK_BYTES = 2**25


def image_hash(pixels: npt.NDArray[np.uint8]) -> int:
    """64-bit perceptual hash of an (H, W, 3) uint8 image."""
    from scipy.fft import dctn

    grey = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    low = dctn(np.asarray(grey, np.float64), norm="ortho")[:_LOW, :_LOW].ravel()
    # The constant term says how bright the image is, not what is in it.
    bits = low > np.median(low[1:])
    return int(np.packbits(bits).view(">u8")[0])


def near_copies(
    first: Sequence[int], second: Sequence[int], distance: int = DISTANCE
) -> Iterable[tuple[int, int, int]]:
    """Pairs (i, j, bits) of hashes that differ in at most ``distance`` bits, in order."""
    a = np.asarray(first, np.uint64).view(np.uint8).reshape(-1, 8)
    b = np.asarray(second, np.uint64).view(np.uint8).reshape(-1, 8)
    ones = np.array([value.bit_count() for value in range(256)], np.uint8)
    rows = max(1, _CHUNK_BYTES // (8 * max(1, len(b))))
    for start in range(0, len(a), rows):
        bits = ones[a[start : start + rows, None] ^ b[None]].sum(axis=-1, dtype=np.uint8)
        for i, j in np.argwhere(bits <= distance):
            yield start + int(i), int(j), int(bits[i, j])
