"""Leakage: are evaluation images, or near copies of them, in what a method was given to look at?

Images are compared by a perceptual hash (:mod:`ovseg.images.perceptual`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ovseg.errors import DatasetError
from ovseg.evaluation.datasets.base import Dataset
from ovseg.images import find_images, load_image
from ovseg.images.perceptual import DISTANCE, image_hash, near_copies

__all__ = ["check", "refuse"]


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
