"""Perceptual hashes: which pictures are near copies of each other.

pHash (Zauner, 2010): the signs, against their median, of the 8 x 8 lowest frequencies of the picture's cosine
transform. It survives resizing, recompression and small changes of brightness; crops, mirroring and turns
change it. Hashes of many pictures are compared at once.

Thumbnails are for few pictures that are much alike by nature, such as those that a model makes of one prompt:
their correlation says by how much, where a hash of 64 bits is too coarse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.images.resize import resized

__all__ = ["DISTANCE", "image_hash", "likeness", "near_copies", "thumbnail"]

DISTANCE = 6
"""Bits of 64 in which near copies may differ."""
_SIDE, _LOW = 32, 8
_CHUNK_BYTES = 2**25
_THUMB = 16


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


def thumbnail(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(768,) float32 of unit length: an image at 16 x 16, less its mean colour; zero for an even one."""
    small = np.array(resized(pixels, (_THUMB, _THUMB)), np.float32)
    small -= small.mean((0, 1))
    length = np.float32(max(float(np.linalg.norm(small)), 1e-6))
    return small.ravel() / length


def likeness(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Correlation of two thumbnails, in [-1, 1]."""
    return float(one @ other)
