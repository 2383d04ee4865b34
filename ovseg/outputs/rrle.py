r"""Format ``rrle``: the picture as a page of words, for language models.

Row-wise run-length encoding (R-RLE) of Text4Seg (ICLR 2025): the label map on a coarse grid, each row as runs
``name *count`` joined by ``"| "``, rows joined by a line break and a blank, a line break at the end::

    sky *32
     sky *20| kite *2| sky *10

A name may contain anything: ``\``, ``|`` and line breaks in it are written ``\\``, ``\p``, ``\n`` and ``\r``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import InputError
from ovseg.files import write_bytes
from ovseg.outputs.base import OutputItem, RunContext, output_path

__all__ = ["GRID", "RrleWriter", "decode_rrle", "encode_rrle", "to_grid"]

GRID = 32
"""Rows and columns of the grid."""
VOID_NAME = "unknown"
"""What a cell without an answer is called."""

_ESCAPES = {"\\": "\\\\", "|": "\\p", "\n": "\\n", "\r": "\\r"}
_UNESCAPES = {written: character for character, written in _ESCAPES.items()}


def encode_rrle(grid: Sequence[Sequence[str]]) -> str:
    """Write rows of names as run lengths.

    Args:
        grid: Rows, each with at least one name.
    """
    return "\n ".join("| ".join(_runs(row)) for row in grid) + "\n"


def decode_rrle(text: str) -> list[list[str]]:
    """Read rows of names back.

    Raises:
        InputError: A run is not ``name *count``.
    """
    rows = []
    for line in text.removesuffix("\n").split("\n "):
        row: list[str] = []
        for run in line.split("| "):
            name, star, count = run.rpartition(" *")
            if not star or "|" in name or not count.isdecimal() or int(count) < 1:
                raise InputError(f"not a run of row-wise run lengths: {run!r} (expected name *count)")
            row += [re.sub(r"\\.", lambda found: _UNESCAPES.get(found[0], found[0]), name)] * int(count)
        rows.append(row)
    return rows


def to_grid(labels: npt.NDArray[Any], side: int = GRID) -> npt.NDArray[Any]:
    """Most frequent label of each cell of a grid; the lowest where several are.

    Args:
        labels: (h, w) uint8 or uint16.
        side: Rows and columns of the grid.

    Returns:
        (side, side) of the dtype of ``labels``.
    """
    # Every cell needs a pixel, so that a map smaller than the grid is enlarged first.
    for axis in (0, 1):
        labels = labels.repeat(-(-side // labels.shape[axis]), axis=axis)
    rows, columns = (np.arange(length) * side // length for length in labels.shape)
    present = np.flatnonzero(np.bincount(labels.ravel()))
    local = np.searchsorted(present, labels)
    cells = rows[:, None] * side + columns
    votes = np.bincount((cells * len(present) + local).ravel(), minlength=side * side * len(present))
    nearest_prototypes = votes.reshape(side, side, -1).argmax(axis=-1)
    return np.asarray(present[nearest_prototypes], labels.dtype)


class RrleWriter:
    """``OUT/rrle/<stem>.txt``: the picture on a 32 x 32 grid."""

    def __init__(self, context: RunContext) -> None:
        self._root = context.out / "rrle"

    def write(self, item: OutputItem) -> None:
        """Write the text of one image."""
        segmentation = item.segmentation
        names = dict(enumerate(segmentation.names)) | {segmentation.void: VOID_NAME}
        grid = [[names[label] for label in row] for row in to_grid(segmentation.labels).tolist()]
        # Not as text: a line break must stay one byte on every system.
        write_bytes(
            output_path(self._root, item.stem, ".txt"), encode_rrle(grid).encode("utf-8", "backslashreplace")
        )

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path | None:
        """Nothing is left to do."""
        return None


def _runs(row: Sequence[str]) -> Iterator[str]:
    for name, run in groupby(row):
        yield f"{''.join(_ESCAPES.get(c, c) for c in name)} *{sum(1 for _ in run)}"
