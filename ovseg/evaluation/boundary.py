"""Boundary IoU: how well the outlines lie (Cheng et al., CVPR 2021), per class over the whole data set.

A mask's boundary region is its pixels within distance d of its outline, the image's border included; d is
2 % of the image's diagonal. Distances are measured in the chessboard metric, as d erosions with a 3 x 3
square do. Boundary IoU of a class is the intersection over union of the two boundary regions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ovseg.evaluation.metrics import VOID, AreaCounts

__all__ = ["DILATION_RATIO", "boundary_counts", "boundary_region"]

DILATION_RATIO = 0.02
"""d as a share of the diagonal: the paper's value for COCO-like images."""


def boundary_region(labels: npt.NDArray[np.uint8], distance: int) -> npt.NDArray[np.bool_]:
    """Pixels with another label, or the outside of the image, within ``distance`` in the chessboard metric.

    Restricted to one label this is the boundary region of that label's mask, so one pass serves all classes.

    Args:
        labels: (H, W) uint8.
        distance: d, at least 1.

    Returns:
        (H, W) bool.
    """
    from scipy import ndimage

    # The window of radius d is uniform where minimum and maximum agree; -1 is a label that no pixel has.
    window, outside = 2 * distance + 1, -1
    low = high = labels.astype(np.int16)
    for axis in (0, 1):
        low = ndimage.minimum_filter1d(low, window, axis=axis, mode="constant", cval=outside)
        high = ndimage.maximum_filter1d(high, window, axis=axis, mode="constant", cval=outside)
    region: npt.NDArray[np.bool_] = low != high
    return region


def boundary_counts(
    truth: npt.NDArray[np.uint8],
    prediction: npt.NDArray[np.uint8],
    classes: int,
    *,
    ratio: float = DILATION_RATIO,
) -> AreaCounts:
    """Areas of the boundary regions of all classes of one image, to be summed over the data set.

    Void pixels of the truth are void in the prediction too before the regions are found: what a method says
    where nobody knows the answer moves no boundary.

    Args:
        truth: (H, W) uint8 indices, ``VOID`` ignored.
        prediction: (H, W) uint8 indices, ``VOID`` = no answer.
        classes: K.
        ratio: d as a share of the image's diagonal; d is at least one pixel.
    """
    height, width = truth.shape
    distance = max(1, round(ratio * float(np.hypot(height, width))))
    void = truth == VOID
    masked = np.where(void, np.uint8(VOID), prediction)
    of_truth = boundary_region(truth, distance) & ~void
    of_prediction = boundary_region(masked, distance) & (masked != VOID)
    both = of_truth & of_prediction & (truth == masked)
    return AreaCounts(
        intersection=_areas(truth[both], classes),
        predicted=_areas(masked[of_prediction], classes),
        truth=_areas(truth[of_truth], classes),
    )


def _areas(labels: npt.NDArray[np.uint8], classes: int) -> npt.NDArray[np.int64]:
    return np.bincount(labels, minlength=classes).astype(np.int64, copy=False)
