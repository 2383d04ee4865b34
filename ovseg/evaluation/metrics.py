"""Figures of a label map against its truth, from one confusion matrix over the whole data set.

Everything follows mmsegmentation's ``IoUMetric``: intersections and unions are summed over all images before
any division, ground truth ``VOID`` is left out, and a class that neither the truth nor the predictions hold
has no IoU and is left out of the mean. A pixel without an answer misses its true class and counts against no
other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["VOID", "AreaCounts", "Figures", "area_counts", "confusion_matrix", "figures"]

VOID = 255
"""In a truth map: ignored. In a predicted map: no answer."""

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def confusion_matrix(truth: npt.NDArray[np.uint8], prediction: npt.NDArray[np.uint8], classes: int) -> Counts:
    """Count pixels by true and predicted class.

    Args:
        truth: (H, W) uint8, indices below ``classes``, or ``VOID``: ignored.
        prediction: (H, W) uint8, indices below ``classes``, or ``VOID``: no answer.
        classes: K, at most 255.

    Returns:
        (K, K + 1) int64: row = true class, column = predicted class, the last column = no answer.

    Raises:
        ValueError: Shapes differ, or an index is neither a class nor ``VOID``.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"prediction {prediction.shape} does not match truth {truth.shape}")
    # One table of all 256 x 256 pairs of bytes: faster than picking the valid pixels first.
    pairs = np.bincount(truth.ravel() * np.uint16(256) + prediction.ravel(), minlength=256 * 256)
    table = pairs.reshape(256, 256)[:VOID]
    if table[classes:].any() or table[:, classes:VOID].any():
        raise ValueError(f"index out of range of {classes} classes")
    columns = [*range(classes), VOID]
    return table[:classes, columns].astype(np.int64, copy=False)


@dataclass(frozen=True)
class AreaCounts:
    """Pixels per class, all that the means need; a leading axis (bootstrap replicates) is allowed.

    Attributes:
        intersection: (..., K) pixels whose true and predicted class it is.
        predicted: (..., K) pixels predicted as the class (where the truth is not void).
        truth: (..., K) pixels of the true class.
    """

    intersection: Counts
    predicted: Counts
    truth: Counts

    @classmethod
    def zero(cls, *shape: int) -> AreaCounts:
        """Nothing counted yet: arrays of a shape whose last axis are the classes."""
        return cls(*(np.zeros(shape, np.int64) for _ in range(3)))

    def __add__(self, other: AreaCounts) -> AreaCounts:
        return AreaCounts(
            self.intersection + other.intersection, self.predicted + other.predicted, self.truth + other.truth
        )


def area_counts(confusion: Counts) -> AreaCounts:
    """Reduce a (K, K + 1) confusion matrix to its areas."""
    classes = confusion.shape[0]
    return AreaCounts(
        intersection=np.diagonal(confusion).copy(),
        predicted=confusion[:, :classes].sum(axis=0),
        truth=confusion.sum(axis=1),
    )


@dataclass(frozen=True)
class Figures:
    """The figures of the field; NaN where nothing can be said. A leading axis of the counts is kept.

    Attributes:
        iou: (..., K) intersection over union of each class.
        accuracy: (..., K) share of the class's true pixels that were found (recall).
        miou: Mean of ``iou`` over classes that occur in truth or prediction.
        mean_accuracy: Mean of ``accuracy`` over classes that occur in the truth.
        pixel_accuracy: Share of all pixels that are right (aAcc).
        frequency_weighted_iou: ``iou`` weighted by each class's share of the true pixels (Long et al.,
            CVPR 2015, section 5).
    """

    iou: Floats
    accuracy: Floats
    miou: Floats
    mean_accuracy: Floats
    pixel_accuracy: Floats
    frequency_weighted_iou: Floats


def figures(counts: AreaCounts) -> Figures:
    """Turn areas into figures; all in [0, 1] or NaN."""
    union = counts.truth + counts.predicted - counts.intersection
    iou = _ratio(counts.intersection, union)
    total = counts.truth.sum(axis=-1)
    accuracy = _ratio(counts.intersection, counts.truth)
    # A class without true pixels has weight 0; its IoU may be 0 or NaN and must not spread.
    weighted = np.where(counts.truth > 0, counts.truth * iou, 0.0).sum(axis=-1)
    return Figures(
        iou=iou,
        accuracy=accuracy,
        miou=_mean(iou),
        mean_accuracy=_mean(accuracy),
        pixel_accuracy=_ratio(counts.intersection.sum(axis=-1), total),
        frequency_weighted_iou=_ratio(weighted, total),
    )


def _ratio(part: npt.NDArray[np.generic], whole: Counts) -> Floats:
    result = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=result, where=np.asarray(whole) > 0)
    return result


def _mean(values: Floats) -> Floats:
    """Mean over the last axis without NaN; NaN where there is nothing else, without a warning."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))
