"""Masks of COCO-like JSON: polygons, run lengths, compressed run lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import DatasetError


def decode(segmentation: Any, size: tuple[int, int], where: str) -> npt.NDArray[np.bool_]:
    """Decode a ``segmentation`` entry to an (H, W) bool mask.

    Args:
        segmentation: A list of polygons, or ``{"size": [H, W], "counts": …}`` with a list or a string.
        size: (H, W) of the image.
        where: For the error message.

    Raises:
        DatasetError: It is none of the three, or of another size than the image.
    """
    from pycocotools import mask as coco_mask

    height, width = size
    try:
        if isinstance(segmentation, list):
            runs = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
        elif isinstance(segmentation["counts"], list):
            runs = coco_mask.frPyObjects(segmentation, height, width)
        else:
            runs = segmentation
        mask: npt.NDArray[np.uint8] = coco_mask.decode(runs)
    except Exception as error:  # pycocotools raises Exception itself for what it does not understand
        raise DatasetError(f"{where}: cannot decode a mask: {error!r}") from error
    if mask.shape != (height, width):
        raise DatasetError(
            f"{where}: a mask of {mask.shape[1]}x{mask.shape[0]} on an image of {width}x{height}"
        )
    return mask.astype(bool)
