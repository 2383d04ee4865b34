"""COCO run lengths of a piece of a label map, at the size of the image file, without drawing it there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.outputs.resampling import nearest_starts

__all__ = ["Placement", "compress"]


class Placement:
    """How the pixels of a label map lie in the image file; the same rule as the masks (``nearest_index``).

    Args:
        shape: (h, w) of the label map.
        size: (H, W) of the image file.
    """

    def __init__(self, shape: tuple[int, int], size: tuple[int, int]) -> None:
        self.size = size
        self._rows = nearest_starts(size[0], shape[0])
        self._columns = nearest_starts(size[1], shape[1])

    def box(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """A box of the label map (XYXY, exclusive ends) in pixels of the file, XYWH as COCO has it."""
        x0, y0, x1, y1 = box
        left, top = int(self._columns[x0]), int(self._rows[y0])
        return left, top, int(self._columns[x1]) - left, int(self._rows[y1]) - top

    def areas(self) -> npt.NDArray[np.int64]:
        """(h, w) int64: pixels of the file under each pixel of the label map."""
        return np.outer(np.diff(self._rows), np.diff(self._columns))

    def run_lengths(
        self, mask: npt.NDArray[np.bool_], box: tuple[int, int, int, int]
    ) -> npt.NDArray[np.int64]:
        """Lengths of runs of 0 and 1 in turn, column after column, starting with 0 (COCO's order).

        Args:
            mask: (y1 - y0, x1 - x0) bool, not empty.
            box: Where it lies in the label map, XYXY.

        Returns:
            (n,) int64 that adds up to H * W.
        """
        height, width = self.size
        x0, y0, x1, _ = box
        # Borders of runs within each column: a change in the column when 0 is put above and below it.
        padded = np.zeros((mask.shape[1], mask.shape[0] + 2), np.int8)
        padded[:, 1:-1] = mask.T
        column, row = np.nonzero(np.diff(padded, axis=1))
        starts, ends = self._rows[y0 + row[::2]], self._rows[y0 + row[1::2]]
        column = column[::2]

        # Each column of the map becomes as many columns of the file as it covers, with the same runs.
        repeats = np.diff(self._columns)[x0:x1]
        runs = np.bincount(column, minlength=x1 - x0)
        order = _repeated_groups(runs, repeats)
        file_columns = np.arange(self._columns[x0], self._columns[x1])
        offset = np.repeat(file_columns * height, np.repeat(runs, repeats))
        starts, ends = offset + starts[order], offset + ends[order]

        # A run that ends at the foot of a column goes on at the head of the next one.
        fresh = np.concatenate(([True], starts[1:] != ends[:-1]))
        starts, ends = starts[fresh], ends[np.concatenate((fresh[1:], [True]))]
        borders = np.stack((starts, ends), axis=1).ravel()
        counts = np.diff(np.concatenate(([0], borders, [height * width])))
        return counts if counts[-1] else counts[:-1]


def _repeated_groups(lengths: npt.NDArray[Any], repeats: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Indices that repeat consecutive groups: lengths (2, 1), repeats (2, 1) give 0 1 0 1 2."""
    first = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    group_first, group_length = np.repeat(first, repeats), np.repeat(lengths, repeats)
    ends = np.cumsum(group_length)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - group_length, group_length)
    return np.asarray(np.repeat(group_first, group_length) + within, np.int64)


def compress(counts: npt.NDArray[np.int64], size: tuple[int, int]) -> dict[str, Any]:
    """COCO's compressed form of run lengths: ``{"size": [H, W], "counts": text}``."""
    from pycocotools import mask as coco_mask

    packed = coco_mask.frPyObjects({"size": list(size), "counts": counts.tolist()}, *size)
    return {"size": [int(side) for side in packed["size"]], "counts": packed["counts"].decode("ascii")}
