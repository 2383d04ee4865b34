"""Ground truth files as indices: never through luminance, never guessed.

A palette image is read as its indices (``np.asarray(Image.open(path))``); converting it to grey would turn
palette colours into numbers that look like labels. Values that the data set does not define are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.errors import DatasetError, reason
from ovseg.evaluation.metrics import VOID

__all__ = ["ValueTable", "apply_table", "identity_table", "read_indices", "read_truth", "value_table"]

ValueTable = npt.NDArray[np.int16]
"""What each value of a file means: class index, ``VOID``, or -1: the value may not occur."""

_INTEGER_MODES = ("P", "L", "I", "I;16")


def value_table(meanings: Mapping[int, int], *, length: int = 256, default: int = -1) -> ValueTable:
    """Table of ``length`` values from a mapping of value to meaning; 255 always means void.

    Args:
        meanings: Value in the file to class index (or ``VOID``).
        length: One more than the largest value a file may hold.
        default: What values not in ``meanings`` mean: -1 refuses them.
    """
    table: ValueTable = np.full(length, default, np.int16)
    if length > VOID:
        table[VOID] = VOID
    for value, meaning in meanings.items():
        table[value] = meaning
    return table


def identity_table(classes: int, *, ignore_zero: bool = False) -> ValueTable:
    """Values are indices as they stand; with ``ignore_zero`` 0 is void and value i means index i - 1.

    The latter is mmsegmentation's ``reduce_zero_label``.
    """
    if ignore_zero:
        return value_table({0: VOID, **{i + 1: i for i in range(classes)}})
    return value_table({i: i for i in range(classes)})


def read_truth(path: Path, table: ValueTable) -> npt.NDArray[np.uint8]:
    """Read a truth image and give its values their meaning.

    Returns:
        (H, W) uint8 class indices, or ``VOID``.

    Raises:
        DatasetError: The file is missing or damaged, holds colours instead of indices, or a value that the
            data set does not define.
    """
    return apply_table(read_indices(path), table, str(path))


def apply_table(values: npt.NDArray[np.integer], table: ValueTable, where: str) -> npt.NDArray[np.uint8]:
    """Look every value up in ``table``; raises ``DatasetError`` for one that may not occur."""
    largest = int(values.max(initial=0))
    if largest < len(table) and int(values.min(initial=0)) >= 0:
        meaning = table[values]
        if meaning.min(initial=0) >= 0:
            truth: npt.NDArray[np.uint8] = meaning.astype(np.uint8)
            return truth
        largest = int(values[meaning < 0].max())
    known = np.flatnonzero((table >= 0) & (np.arange(len(table)) != VOID))
    raise DatasetError(
        f"{where}: index out of range: {largest}; allowed are {known[0]} to {known[-1]} and {VOID} for void"
    )


def read_indices(path: Path) -> npt.NDArray[np.integer]:
    """Pixel values of an index image as they stand in the file: (H, W) integers.

    Raises:
        DatasetError: Missing, damaged, or not an image of indices.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in _INTEGER_MODES:
                raise DatasetError(
                    f"{path}: mode {image.mode} holds no class indices: expected an indexed or grey image"
                )
            values = np.asarray(image)
    except FileNotFoundError as error:
        raise DatasetError(f"missing file {path}") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"cannot read {path}: {reason(error)}") from error
    return values
