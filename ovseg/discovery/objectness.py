"""A score that can say "nothing here", without labels.

A cut always returns something: of a sky the brighter half, of a wall some bricks. What tells an object from
that can be measured without names: how cheaply the graph falls apart (eigenvalue), how clearly the evidence
steps down at the region's edge, how much of the frame the region touches, how large it is. The score is a
product of these; no coefficient is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Measures", "frame_contact", "objectness"]


@dataclass(frozen=True)
class Measures:
    """What the score is made of, one value each in [0, 1] unless it says otherwise.

    Attributes:
        eigenvalue: Second eigenvalue of the image's graph, at most 1.
        area: Share of the image.
        frame: Share of the image's frame that the region touches.
        contrast: Mean evidence inside minus outside, in [-1, 1].
    """

    eigenvalue: float
    area: float
    frame: float
    contrast: float


def objectness(measures: Measures) -> float:
    """Return how object-like a region is, in [0, 1].

    The square root of contrast * (1 - frame) * (1 - eigenvalue) * area ** (1/4), 0 where the contrast is
    negative. The fourth root keeps small objects: 1 % of the image counts for a third.

    Args:
        measures: Of the region.
    """
    free, apart = 1 - measures.frame, 1 - measures.eigenvalue
    product = max(measures.contrast, 0.0) * max(free, 0.0) * max(apart, 0.0) * measures.area**0.25
    return float(np.sqrt(product))


def frame_contact(mask: npt.NDArray[np.bool_]) -> float:
    """Share of the outermost patches of (H, W) that ``mask`` covers."""
    frame = np.ones_like(mask)
    frame[1:-1, 1:-1] = False
    return float(mask[frame].mean())
