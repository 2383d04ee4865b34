"""IoU by object size: every pixel of the union belongs to exactly one size, so the sizes add up to the whole.

True pixels belong to the size of their connected component in the truth; pixels that are wrongly given to a
class belong to the size of the predicted component that they are part of. The limits are COCO's, 32**2 and
96**2 pixels of the original image.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ovseg.evaluation.metrics import VOID, AreaCounts

__all__ = ["LIMITS", "SIZES", "size_counts"]

SIZES = ("small", "medium", "large")
LIMITS = (32**2, 96**2)
"""Components below the first are small, below the second medium, others large."""


def size_counts(truth: npt.NDArray[np.uint8], prediction: npt.NDArray[np.uint8], classes: int) -> AreaCounts:
    """Areas by size and class of one image, to be summed over the data set.

    Args:
        truth: (H, W) uint8 indices, ``VOID`` ignored.
        prediction: (H, W) uint8 indices, ``VOID`` = no answer.
        classes: K.

    Returns:
        Arrays (3, K) in the order of ``SIZES``; ``predicted`` is the found part of the true components plus
        the wrong pixels of predicted components, so that union = truth + predicted - intersection as always.
    """
    masked = np.where(truth == VOID, np.uint8(VOID), prediction)
    true_size, predicted_size = _size_of_pixels(truth), _size_of_pixels(masked)
    right = truth == masked
    intersection = _count(true_size[right], truth[right], classes)
    wrong = ~right
    return AreaCounts(
        intersection=intersection,
        predicted=intersection + _count(predicted_size[wrong], masked[wrong], classes),
        truth=_count(true_size.ravel(), truth.ravel(), classes),
    )


def _size_of_pixels(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(H, W) index into ``SIZES`` of the component that each pixel belongs to (8-connected)."""
    from skimage.measure import label

    # Every pixel gets a component, index 0 too: it is a class like the others here.
    components = label(labels, background=-1, connectivity=2)
    areas = np.bincount(components.ravel())
    sizes = np.searchsorted(np.asarray(LIMITS), areas, side="right").astype(np.uint8)
    result: npt.NDArray[np.uint8] = sizes[components]
    return result


def _count(
    sizes: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], classes: int
) -> npt.NDArray[np.int64]:
    """Pixels by size and class, (3, K); void is counted beyond the classes and dropped."""
    flat = np.bincount(sizes * np.uint16(256) + labels, minlength=len(SIZES) * 256)
    return flat.reshape(len(SIZES), 256)[:, :classes].astype(np.int64, copy=False)
