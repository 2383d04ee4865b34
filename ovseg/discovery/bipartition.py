"""From an eigenvector to one object: two sides, the one that is the object, and its connected part.

TokenCut (Wang et al., CVPR 2022, section 3.3) cuts at the mean, takes the side that holds the entry of
largest magnitude and keeps the connected part around it; MaskCut (Wang et al., CVPR 2023) turns a side down
that holds three of the four corners. Where a saliency map is at hand, it chooses the side: an object that
fills the frame is otherwise taken for the background.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from ovseg.discovery.affinity import Affinity

__all__ = ["bipartition", "component", "foreground_side", "ncut_values"]

THRESHOLDS = 64
"""Quantiles of the eigenvector at which ``split="ncut"`` tries to cut."""


def ncut_values(affinity: Affinity, sides: Tensor, keep: Tensor | None = None) -> Tensor:
    """N-cut value of bipartitions, cut / assoc(side) + cut / assoc(rest) (Shi & Malik 2000, equation 2).

    Args:
        affinity: Of B images.
        sides: (B, N, T) bool, T bipartitions an image.
        keep: (B, N) bool, the patches of the graph; all by default.

    Returns:
        (B, T) float32 in [0, 2]; 2 for a side that is empty or everything.
    """
    kept = torch.ones_like(sides[..., 0]) if keep is None else keep
    inside = (sides & kept[..., None]).to(torch.float32)
    whole = kept.to(torch.float32)[..., None]
    degree = affinity.product(whole) * whole
    volume = (degree * inside).sum(dim=1)
    rest = degree.sum(dim=1) - volume
    # Not the volume less the links inside: that difference has no digits left where the cut is small.
    cut = (inside * affinity.product(whole - inside)).sum(dim=1)
    value = cut / volume + cut / rest
    sizes = inside.sum(dim=1)
    return torch.where((sizes > 0) & (sizes < whole.sum(dim=1)), value, 2.0).nan_to_num(2.0)


def bipartition(
    affinity: Affinity, vector: Tensor, keep: Tensor | None = None, *, split: Literal["mean", "ncut"] = "mean"
) -> Tensor:
    """Cut eigenvectors in two.

    Args:
        affinity: Of B images.
        vector: (B, N) eigenvectors.
        keep: (B, N) bool, the patches of the graph; all by default.
        split: At the mean of the kept entries, or at the quantile with the least N-cut value.

    Returns:
        (B, N) bool: the kept patches above the threshold.
    """
    kept = torch.ones_like(vector, dtype=torch.bool) if keep is None else keep
    if split == "mean":
        threshold = (vector * kept).sum(dim=1) / kept.sum(dim=1)
        return (vector > threshold[:, None]) & kept
    shares = torch.linspace(0, 1, THRESHOLDS + 2, device=vector.device)[1:-1]
    known = torch.where(kept, vector, torch.nan)
    thresholds = torch.nanquantile(known, shares, dim=1)  # (T, B)
    sides = (vector[..., None] > thresholds.T[:, None]) & kept[..., None]
    best = ncut_values(affinity, sides, kept).argmin(dim=1)
    return sides.gather(2, best[:, None, None].expand(-1, sides.shape[1], 1))[..., 0]


def foreground_side(
    vector: npt.NDArray[np.float32],
    side: npt.NDArray[np.bool_],
    keep: npt.NDArray[np.bool_] | None = None,
    saliency: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.bool_]:
    """Choose which side of a bipartition is the object.

    Args:
        vector: (h, w) eigenvector.
        side: (h, w), one side.
        keep: (h, w), the patches of the graph; all by default.
        saliency: (h, w) in [0, 1]; the side with the higher mean wins. Without it: the side with the entry
            of largest magnitude, unless that holds three corners or four.

    Returns:
        (h, w): ``side`` or the rest of the kept patches.
    """
    other = ~side if keep is None else keep & ~side
    if not side.any() or not other.any():
        return side | other
    if saliency is not None:
        return side if saliency[side].mean() >= saliency[other].mean() else other
    seed = np.abs(vector if keep is None else np.where(keep, vector, 0)).argmax()
    chosen, left = (side, other) if side.flat[seed] else (other, side)
    corners = int(chosen[[0, 0, -1, -1], [0, -1, 0, -1]].sum())
    return left if corners >= 3 else chosen


def component(
    side: npt.NDArray[np.bool_],
    vector: npt.NDArray[np.float32],
    saliency: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.bool_]:
    """Keep the connected part (4 neighbours) of a side that matters.

    That is the part with the most saliency, or without a map the part around the seed: the entry of ``side``
    that lies farthest from the mean of the eigenvector.
    """
    parts, count = ndimage.label(side)
    if count < 2:
        return side
    if saliency is not None:
        mass = np.bincount(parts.ravel(), weights=saliency.ravel())
        kept: npt.NDArray[np.bool_] = parts == 1 + mass[1:].argmax()
        return kept
    seed = np.where(side, np.abs(vector - vector.mean()), -1).argmax()
    kept = parts == parts.flat[seed]
    return kept
