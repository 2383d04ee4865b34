"""Regions at the size of the photo."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ovseg.discovery.evidence import resample
from ovseg.discovery.solver import SolverConfig, refine
from ovseg.types import Region

__all__ = ["at_size", "largest_part", "refine_mask"]

TRUSTED = 0.5
"""A refined mask that overlaps the given one by less (IoU) is dropped for it."""


def at_size(
    regions: Sequence[Region],
    size: tuple[int, int],
    *,
    photo: npt.NDArray[np.uint8] | None = None,
    config: SolverConfig | None = None,
) -> list[Region | None]:
    """Bring regions of any raster to the size of the photo, by interpolation of their masks.

    Args:
        regions: From `discover`.
        size: (H, W).
        photo: (H, W, 3) uint8 RGB; where it is given, masks are drawn to its edges.
        config: For that.

    Returns:
        One for each, None where nothing is left of a region (an image of a few pixels).
    """
    found: list[Region | None] = []
    for region in regions:
        soft = resample(region.mask.astype(np.float32), size)
        mask = soft > 0.5
        if photo is not None and mask.any():
            mask = refine_mask(soft, photo, config)
        found.append(Region.from_mask(mask, region.score) if mask.any() else None)
    return found


def refine_mask(
    soft: npt.NDArray[np.float32], photo: npt.NDArray[np.uint8], config: SolverConfig | None = None
) -> npt.NDArray[np.bool_]:
    """Bilateral solver, threshold, holes filled, largest part: (H, W) soft mask to bool, as TokenCut does it.

    Where the result overlaps the given mask by less than half, the colours have led the solver astray and the
    given mask stays.
    """
    given = soft > 0.5
    largest = largest_part(ndimage.binary_fill_holes(refine(soft, photo, config) > 0.5))
    return largest if (largest & given).sum() > TRUSTED * (largest | given).sum() else given


def largest_part(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The connected part (4 neighbours) of an (H, W) mask that has the most pixels; nothing of nothing."""
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    largest: npt.NDArray[np.bool_] = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    return largest
