"""Regions vote: what the patches of a region say together counts beside what each of them says alone.

After the last step of CorrCLIP (Zhang et al., ICCV 2025), which gives each class-agnostic mask one label, the
majority's, and FreeDA (Barsellotti et al., CVPR 2024), which scores superpixels. Two things are ours: scores
are averaged and not labels counted, so that a patch that is sure weighs more than one that is not; and the
average is mixed with a patch's own scores and does not replace them, so that a region that two classes share
may fall to both.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["region_pooling"]


def region_pooling(scores: Tensor, regions: Tensor, weight: float) -> Tensor:
    """Mix every patch's scores with the mean of its region.

    ``s_i <- (1 - weight) s_i + weight mean(s_j for j in the region of i)``. A region's vote is the mean
    probability of each column (a linear opinion pool of its patches), background among them; a column that is
    0 everywhere, such as that of a background that there is not, stays 0.

    Args:
        scores: (N, K + 1) floating, in [0, 1].
        regions: (N,) int64, the region of each patch, from 0; numbers may be left out.
        weight: In [0, 1]; 0 leaves the scores as they are, 1 gives all patches of a region the same.

    Returns:
        (N, K + 1) of the same dtype; rows keep the sum that all of them have, and columns theirs.

    Raises:
        ValueError: Shapes do not match, or the weight is out of range.
    """
    if regions.shape != scores.shape[:1]:
        raise ValueError(f"expected a region for each of {len(scores)} cells, got {tuple(regions.shape)}")
    if not 0 <= weight <= 1:
        raise ValueError(f"expected a weight between 0 and 1, got {weight}")
    if weight == 0 or not len(scores):
        return scores
    # A product, since sums by index come out differently from run to run on a GPU.
    member = F.one_hot(regions).T.to(scores.dtype)
    means = (member @ scores) / member.sum(dim=1, keepdim=True).clamp(min=1)
    return (1 - weight) * scores + weight * means[regions]
