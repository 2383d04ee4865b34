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
from ovseg.support.pool.file import load_pool

__all__ = ["check", "refuse"]


def check(dataset: Dataset, pools: Sequence[Path], distance: int = DISTANCE) -> dict[str, Any]:
    """Look for the data set's images in folders of photos, or in pools.

    Args:
        dataset: Its images are hashed.
        pools: Folders of support photos, searched to the bottom; or pool files (``ovseg pool build``), whose
            photos need not be there.
        distance: See ``near_copies``.

    Returns:
        JSON for the results: ``distance``, and for each of ``pools`` its ``folder`` (its name only), number
        of ``images`` and near ``copies`` as ``[name, file, bits]``.

    Raises:
        InputError: An image cannot be read.
        BankMismatch: A file is no sound pool.
    """
    hashes = [image_hash(load_image(sample.image).pixels) for sample in dataset.samples]
    report: dict[str, Any] = {"distance": distance, "pools": []}
    for pool in pools:
        names, others = _hashed(pool)
        copies = [
            [dataset.samples[i].name, names[j], bits] for i, j, bits in near_copies(hashes, others, distance)
        ]
        report["pools"].append({"folder": pool.resolve().name, "images": len(names), "copies": copies})
    return report


def _hashed(pool: Path) -> tuple[list[str], list[int]]:
    """Names and perceptual hashes of what is in a folder or a pool."""
    if pool.is_file():
        opened = load_pool(pool)
        return [opened.name(index) for index in range(len(opened))], opened.hashes.tolist()
    files = find_images([pool])
    return [file.stem.as_posix() for file in files], [image_hash(load_image(f.path).pixels) for f in files]


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
            f" {file} in {pool} ({bits} of 64 bits differ from {name}): take them out, or leave strict= out",
            parameters=["strict"],
        )
