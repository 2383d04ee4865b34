"""What is kept of one image: counts, as one line of JSON. Everything a result says is computed from these."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.evaluation.boundary import boundary_counts
from ovseg.evaluation.calibration import CalibrationCounts, calibration_counts
from ovseg.evaluation.metrics import AreaCounts, area_counts, confusion_matrix, figures
from ovseg.evaluation.predictions import Prediction
from ovseg.evaluation.sizes import SIZES, size_counts

__all__ = ["ImageRecord", "measure"]


@dataclass(frozen=True)
class ImageRecord:
    """Counts of one image.

    Attributes:
        index: Its place in the data set.
        name: Its name in the data set.
        confusion: (K, K + 1) int64, see ``metrics.confusion_matrix``.
        boundary: Areas of boundary regions, arrays (K,).
        sizes: Areas by object size, arrays (3, K).
        calibration: Counts by confidence, or None where no confidence was given.
        score: Mean IoU of this image alone over its classes, NaN when all of it is void; it ranks the images
            that are shown, and is no figure of the field.
        sha256: Hash of the predicted indices.
    """

    index: int
    name: str
    confusion: npt.NDArray[np.int64]
    boundary: AreaCounts
    sizes: AreaCounts
    calibration: CalibrationCounts | None
    score: float
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Only what is not zero, as lists of ``[position…, count…]``."""
        return {
            "index": self.index,
            "name": self.name,
            "score": None if np.isnan(self.score) else self.score,
            "sha256": self.sha256,
            "confusion": _sparse(self.confusion[..., None]),
            "boundary": _sparse(_stacked(self.boundary)),
            "sizes": _sparse(_stacked(self.sizes)),
            "calibration": None
            if self.calibration is None
            else _sparse(_calibration_array(self.calibration)),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], classes: int) -> ImageRecord:
        """The inverse of ``to_json`` for a data set of ``classes`` classes.

        Raises:
            KeyError, TypeError, ValueError, IndexError: It is not the line of such a record.
        """
        calibration = CalibrationCounts.zero()
        bins = len(calibration.pixels)
        return cls(
            index=int(content["index"]),
            name=str(content["name"]),
            confusion=_dense(content["confusion"], (classes, classes + 1, 1))[..., 0],
            boundary=_areas(_dense(content["boundary"], (classes, 3))),
            sizes=_areas(_dense(content["sizes"], (len(SIZES), classes, 3))),
            calibration=(
                None
                if content["calibration"] is None
                else CalibrationCounts(*np.moveaxis(_dense(content["calibration"], (bins, 3)), -1, 0))
            ),
            score=float("nan") if content["score"] is None else float(content["score"]),
            sha256=str(content["sha256"]),
        )


def measure(
    index: int, name: str, truth: npt.NDArray[np.uint8], prediction: Prediction, classes: int
) -> ImageRecord:
    """Reduce one image to its counts.

    Args:
        index: Its place in the data set.
        name: Its name.
        truth: (H, W) uint8 indices, 255 ignored.
        prediction: Labels of the same shape.
        classes: K.
    """
    labels = prediction.labels
    confusion = confusion_matrix(truth, labels, classes)
    return ImageRecord(
        index=index,
        name=name,
        confusion=confusion,
        boundary=boundary_counts(truth, labels, classes),
        sizes=size_counts(truth, labels, classes),
        calibration=(
            None
            if prediction.confidence is None
            else calibration_counts(truth, labels, prediction.confidence)
        ),
        score=float(figures(area_counts(confusion)).miou),
        sha256=hashlib.sha256(np.ascontiguousarray(labels).data).hexdigest(),
    )


def _stacked(counts: AreaCounts) -> npt.NDArray[np.int64]:
    return np.stack([counts.intersection, counts.predicted, counts.truth], axis=-1)


def _areas(stacked: npt.NDArray[np.int64]) -> AreaCounts:
    return AreaCounts(stacked[..., 0], stacked[..., 1], stacked[..., 2])


def _calibration_array(counts: CalibrationCounts) -> npt.NDArray[np.int64]:
    return np.stack([counts.pixels, counts.right, counts.confidence], axis=-1)


def _sparse(values: npt.NDArray[np.int64]) -> list[list[int]]:
    """Rows ``[i, j, …, counts…]`` of the positions whose counts (last axis) are not all zero."""
    positions = np.argwhere(values.any(axis=-1))
    rows: list[list[int]] = np.hstack([positions, values[tuple(positions.T)]]).tolist()
    return rows


def _dense(rows: list[list[int]], shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    values = np.zeros(shape, np.int64)
    if rows:
        table = np.asarray(rows, np.int64)
        axes = len(shape) - 1
        values[tuple(table[:, :axes].T)] = table[:, axes:]
    return values
