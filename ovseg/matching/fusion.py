"""Prototype fusion and region pooling: text scores moved by a bank, then pooled over the image's regions.

``log score = log text score + prototype_weight * similarity``. A class that the bank lacks gets the mean of
its best rivals, so that the bank says nothing about it and it falls back to the text scores. Similarities
that hardly differ between classes hardly move the text scores: a bank counts as much as it tells classes
apart.

Beside a bank whose support names have found, the background gets what the nearest class reaches: such a bank
says *which* class a patch is, never *that* it is one of them. Among many classes there is always one that a
patch is more like than the others, also where the patch is none of them; with any less for the background,
that alone would make the patch that class. Support that a person gave does say that a patch is one of the
classes: there the background gets what the three nearest classes reach on average.

Region pooling follows the last step of CorrCLIP (Zhang et al., ICCV 2025), which gives each class-agnostic
mask the label of its majority, and FreeDA (Barsellotti et al., CVPR 2024), which scores superpixels. Two
things differ: scores are averaged and not labels counted, so that a sure patch weighs more; and the mean is
mixed with a patch's own scores, so that a region that two classes share may fall to both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg.config import BankMatchingConfig
from ovseg.matching.prototype_scores import PrototypeScores

__all__ = ["fuse_prototypes", "pool_regions"]

_LEAST = 1e-4
"""Least text score: below it a name counts as unknown to the encoder, not as less likely."""
_RIVALS = 3
"""Classes whose mean similarity stands for what has no prototypes."""


def fuse_prototypes(
    scores: Tensor, prototypes: PrototypeScores | None, config: BankMatchingConfig, *, has_background: bool
) -> Tensor:
    """Return the text scores moved by a bank.

    Args:
        scores: (N, K + 1) in [0, 1], background first.
        prototypes: Of the same patches, or None: the bank has nothing for these classes.
        config: Weights, and what the background gets; ``auto`` counts as ``top3_mean``, since who
            gave the support is not known here (see ``BankMatcher.resolved``).
        has_background: Whether a patch may be none of the classes.

    Returns:
        (N, K + 1) float32 in [0, 1], rows summing to 1; column 0 is 0 where there is no background.
    """
    if prototypes is None or not len(prototypes.classes) or config.prototype_weight == 0:
        return scores
    own = prototypes.similarity
    leading = own.topk(min(_RIVALS, own.shape[1]), dim=1).values
    rivals = leading.mean(dim=1)
    similarity = rivals[:, None].expand(-1, scores.shape[1]).clone()
    if bool((prototypes.upper_bound > -1).any()):
        similarity[:, 1:] = torch.minimum(prototypes.upper_bound, rivals)[:, None]
    similarity[:, prototypes.classes + 1] = own
    if config.background_score == "prototypes" and prototypes.background is not None:
        similarity[:, 0] = prototypes.background
    elif config.background_score == "max":
        similarity[:, 0] = leading[:, 0]
    logits = config.prototype_weight * similarity
    if config.text_with_bank:
        logits = logits + torch.log(scores.clamp(min=_LEAST))
    else:
        supported = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
        supported[prototypes.classes + 1] = True
        supported[0] = has_background
        logits = torch.where(supported, logits, -torch.inf)
    if not has_background:
        logits[:, 0] = -torch.inf
    return torch.softmax(logits, dim=1)


def pool_regions(scores: Tensor, regions: Tensor, weight: float) -> Tensor:
    """Mix every patch's scores with the mean of its region.

    ``s_i <- (1 - weight) s_i + weight mean(s_j for j in the region of i)``, background among the columns; a
    column that is 0 everywhere, such as that of a background that there is not, stays 0.

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
        raise ValueError(f"expected a region for each of {len(scores)} patches, got {tuple(regions.shape)}")
    if not 0 <= weight <= 1:
        raise ValueError(f"expected a weight between 0 and 1, got {weight}")
    if weight == 0 or not len(scores):
        return scores
    # A product, since sums by index come out differently from run to run on a GPU.
    member = F.one_hot(regions).T.to(scores.dtype)
    means = (member @ scores) / member.sum(dim=1, keepdim=True).clamp(min=1)
    return (1 - weight) * scores + weight * means[regions]
