"""Regions that may be objects, and how well they agree with each other.

An object shows up again and again: as a connected part of the evidence at many levels (the stability of
maximally stable extremal regions, Matas et al., BMVC 2002) and in the rounds of the cut. A region that is
seen once is more likely an accident of its threshold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ovseg.discovery.config import DiscoveryConfig

__all__ = ["agreement", "level_regions", "overlaps", "strongest"]

Masks = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float32]


def level_regions(evidence: Array, config: DiscoveryConfig) -> list[Masks]:
    """Connected parts (4 neighbours) of an (H, W) map above each level, the largest few of each level."""
    first, last, number = config.levels
    found: list[Masks] = []
    for level in np.linspace(first, last, number):
        parts, count = ndimage.label(evidence > level)
        if not count:
            break
        sizes = np.bincount(parts.ravel())[1:]
        for part in np.argsort(-sizes, kind="stable")[: config.per_level]:
            if sizes[part] > config.min_area * evidence.size:
                found.append(parts == part + 1)
    return found


def overlaps(masks: Masks) -> Array:
    """(M, H, W) non-empty masks to (M, M) intersections over unions."""
    flat = masks.reshape(len(masks), -1).astype(np.float32)
    both = flat @ flat.T
    areas = flat.sum(axis=1)
    iou: Array = both / (areas[:, None] + areas - both)
    return iou


def agreement(iou: Array, power: float) -> Array:
    """Mean vote of all regions for each, (M,) in (0, 1]: their overlaps (M, M), to a power."""
    votes: Array = (iou**power).mean(axis=1)
    return votes


def strongest(iou: Array, rank: Array, overlap: float, most: int) -> list[int]:
    """Indices of regions by rank, best first; none overlaps a better one by more than ``overlap``."""
    chosen: list[int] = []
    for index in np.argsort(-rank, kind="stable"):
        if len(chosen) == most:
            break
        if not chosen or iou[index, chosen].max() <= overlap:
            chosen.append(int(index))
    return chosen
