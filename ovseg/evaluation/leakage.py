"""Leakage: are evaluation images, or near copies of them, in what a method was given to look at?

Images are compared by a perceptual hash (pHash; Zauner, 2010): the signs, against their median, of the 8 x 8
lowest frequencies of the image's cosine transform. It survives resizing, recompression and small changes of
brightness; crops, mirroring and turns change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.errors import DatasetError
from ovseg.evaluation.datasets.base import Dataset
from ovseg.images import find_images, load_image

__all__ = ["DISTANCE", "check", "image_hash", "near_copies", "refuse"]

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


def check(dataset: Dataset, pools: Sequence[Path], distance: int = DISTANCE) -> dict[str, Any]:
    """Look for the data set's images in folders of photos.

    Args:
        dataset: Its images are hashed.
        pools: Folders of support, pool or bank photos; searched to the bottom.
        distance: See ``near_copies``.

    Returns:
        JSON for the results: ``distance``, and for each of ``pools`` its ``folder`` (name only), number of
        ``images`` and near ``copies`` as ``[name, file, bits]``.

    Raises:
        InputError: An image cannot be read.
    """
    hashes = [image_hash(load_image(sample.image).pixels) for sample in dataset.samples]
    report: dict[str, Any] = {"distance": distance, "pools": []}
    for pool in pools:
        files = find_images([pool])
        others = [image_hash(load_image(file.path).pixels) for file in files]
        copies = [
            [dataset.samples[i].name, files[j].stem.as_posix(), bits]
            for i, j, bits in near_copies(hashes, others, distance)
        ]
        report["pools"].append({"folder": pool.resolve().name, "images": len(files), "copies": copies})
    return report


def refuse(report: dict[str, Any]) -> None:
    """Raise when ``check`` has found anything.

    Raises:
        DatasetError: It has; the line names the first pair.
    """
    found = [(pool["folder"], *copy) for pool in report["pools"] for copy in pool["copies"]]
    if found:
        pool, name, file, bits = found[0]
        raise DatasetError(
            f"{len(found)} near copies of evaluation images are in what the method was given, the first is"
            f" {file} in {pool} ({bits} of 64 bits differ from {name}): take them out, or leave --strict out"
        )
