"""Single-object masks from files: what was found, and what is there."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.errors import DatasetError, InputError, reason
from ovseg.evaluation.datasets.truth import read_indices
from ovseg.evaluation.metrics import VOID

__all__ = ["object_masks", "read_object_list"]

Pair = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def read_object_list(path: Path) -> dict[str, int]:
    """Which class index is the object of each image: CSV with the columns ``name`` and ``index``.

    Raises:
        InputError: It is not such a file.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return {row["name"]: int(row["index"]) for row in csv.DictReader(stream)}
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"cannot read columns name and index from {path}: {error!r}") from error


def object_masks(predicted: Path, true: Path, objects: dict[str, int] | None = None) -> Iterator[Pair]:
    """Predicted mask, true mask and counted pixels, image by image.

    Args:
        predicted: Folder of ``NAME.png``: indexed masks, of which index 1 (the best object) counts, or grey
            ones, which are soft masks from 0 to 255.
        true: Folder of ``NAME.png``: index images, 255 ignored.
        objects: The object's index in each image that counts; by default every image of ``true`` counts, and
            whatever is not 0 is object.

    Yields:
        (H, W) float32 in [0, 1], (H, W) bool, (H, W) bool.

    Raises:
        InputError: A predicted mask is missing, damaged, or of another size.
        DatasetError: A true mask is.
    """
    names = sorted(objects) if objects is not None else sorted(path.stem for path in true.glob("*.png"))
    if not names:
        raise DatasetError(f"{true} holds no masks NAME.png")
    for name in names:
        indices = read_indices(true / f"{name}.png")
        valid = indices != VOID
        mask = indices == objects[name] if objects is not None else valid & (indices != 0)
        found = _read_mask(predicted / f"{name}.png")
        if found.shape != mask.shape:
            raise InputError(
                f"{predicted / name}.png has {found.shape[1]}x{found.shape[0]} pixels, its truth"
                f" {mask.shape[1]}x{mask.shape[0]}"
            )
        yield found, mask, valid


def _read_mask(path: Path) -> npt.NDArray[np.float32]:
    try:
        with Image.open(path) as image:
            mode, values = image.mode, np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"cannot read the predicted mask {path}: {reason(error)}") from error
    result: npt.NDArray[Any]
    if mode == "P":
        result = values == 1
    elif mode == "1":
        result = values
    elif mode == "L":
        result = values / np.float32(255)
    else:
        raise InputError(f"{path}: mode {mode} is no mask: expected an indexed or grey image")
    return result.astype(np.float32)
