"""Connected components of a label map: what instance formats call objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ovseg.types import LabelMap

__all__ = ["Component", "connected_components"]


@dataclass(frozen=True)
class Component:
    """One connected piece of one class.

    Attributes:
        label: Its label, at least 1.
        box: XYXY in pixels of the label map, exclusive ends.
        mask: (y1 - y0, x1 - x0) bool, the piece within its box.
        area: Pixels of it.
        score: Mean confidence of its pixels, in [0, 1].
    """

    label: int
    box: tuple[int, int, int, int]
    mask: npt.NDArray[np.bool_]
    area: int
    score: float


def connected_components(segmentation: LabelMap) -> list[Component]:
    """Pieces of equal label that hang together, corners included; no background, nothing that abstained.

    Returns:
        By label, then from top to bottom by first pixel.
    """
    from scipy.ndimage import find_objects
    from skimage.measure import label as number_pieces

    labels = segmentation.labels
    known = np.where(labels == segmentation.void, 0, labels)
    pieces = number_pieces(known, background=0, connectivity=2)
    areas = np.bincount(pieces.ravel())
    scores = np.bincount(pieces.ravel(), weights=segmentation.confidence.ravel()) / np.maximum(areas, 1)
    found = []
    for number, (rows, columns) in enumerate(find_objects(pieces), start=1):
        mask = pieces[rows, columns] == number
        label = int(labels[rows, columns][mask][0])
        box = (columns.start, rows.start, columns.stop, rows.stop)
        found.append(Component(label, box, mask, int(areas[number]), float(scores[number])))
    # Pieces are numbered in reading order, and sorting keeps that order within a label.
    return sorted(found, key=lambda component: component.label)
