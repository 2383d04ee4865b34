"""Late fusion: what the text scores says of a patch, and how like the prototypes of a bank it looks.

``log score = log text + visual * likeness``. A class that the bank lacks gets what its best rivals reach on
average, so that the bank says nothing about it and it falls back to the text scores. Likenesses that hardly
differ between classes hardly move the text's answer: a bank counts as much as it tells classes apart.

Beside a bank whose support names have found, the background gets what the likest class reaches: such a bank
says *which* class a patch is, never *that* it is one of them. Among many classes there is always one that a
patch is more like than the others, also where the patch is none of them; with any less for the background,
that alone would make the patch that class. Support that a person gave does say that a patch is one of the
classes: there the background gets what the three likest classes reach on average.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ovseg.config import SegmentConfig
from ovseg.matching.prototype_matcher import PrototypeMatch

__all__ = ["fuse_prototypes", "likely_classes", "rule_out"]

_LEAST = 1e-4
"""Least score of the text scores: beyond it a name is not less likely, only less known."""
_RIVALS = 3
"""Classes whose mean likeness stands for what has no prototypes."""


def fuse_prototypes(
    scores: Tensor,
    match: PrototypeMatch | None,
    *,
    has_background: bool,
    config: SegmentConfig,
    background_score: str = "top3_mean",
) -> Tensor:
    """Scores of the text scores, moved by a bank.

    Args:
        scores: (N, K + 1) in [0, 1], background first.
        match: Of the same patches, or None: the bank has nothing for these classes.
        has_background: Whether a patch may be none of the classes.
        config: ``visual``, ``text_with_bank``.
        background_score: What the background gets: ``max``, ``top3_mean`` or ``prototypes`` (see
            ``SegmentConfig``).

    Returns:
        (N, K + 1) float32 in [0, 1], rows summing to 1; column 0 is 0 where there is no background.
    """
    if match is None or not len(match.classes) or config.prototype_weight == 0:
        return scores
    leading = match.similarity.topk(min(_RIVALS, match.similarity.shape[1]), dim=1).values
    rivals = leading.mean(dim=1)
    likeness = rivals[:, None].expand(-1, scores.shape[1]).clone()
    if bool((match.rest > -1).any()):
        likeness[:, 1:] = torch.minimum(match.rest, rivals)[:, None]
    likeness[:, match.classes + 1] = match.similarity
    if background_score == "prototypes" and match.background is not None:
        likeness[:, 0] = match.background
    elif background_score == "max":
        likeness[:, 0] = leading[:, 0]
    logits = config.prototype_weight * likeness
    if config.text_with_bank:
        logits = logits + torch.log(scores.clamp(min=_LEAST))
    else:
        logits = _without(logits, match, has_background=has_background)
    if not has_background:
        logits[:, 0] = -torch.inf
    return torch.softmax(logits, dim=1)


def _without(logits: Tensor, match: PrototypeMatch, *, has_background: bool) -> Tensor:
    """Only classes with prototypes (and background) can be the answer of a bank alone."""
    able = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
    able[match.classes + 1] = True
    able[0] = has_background
    return torch.where(able, logits, -torch.inf)


def likely_classes(image: Tensor, things: Tensor, mass: float) -> Tensor:
    """Which classes may occur in an image (OVDiff's category filter, by a rule for any number of classes).

    OVDiff keeps classes of at least 1/K of the probability, ten at most. Here the likeliest things are kept
    that together have ``mass`` of the things' probability: many where the image leaves much open, few where
    it does not, however many were asked for. Stuff is always kept, as in OVDiff.

    Args:
        image: (K,) probabilities of the classes for the whole image.
        things: (K,) bool.
        mass: In (0, 1]; 1 keeps all.

    Returns:
        (K,) bool.
    """
    if mass >= 1 or not bool(things.any()):
        return torch.ones_like(things)
    share = torch.where(things, image, 0.0)
    order = torch.argsort(share, descending=True, stable=True)
    before = torch.cumsum(share[order], dim=0) - share[order]
    kept = torch.zeros_like(things)
    kept[order] = before < mass * share.sum()
    return kept | ~things


def rule_out(scores: Tensor, likely: Tensor) -> Tensor:
    """(N, K + 1) scores without the classes that are not ``likely`` (K,) bool; rows sum to 1 again."""
    kept = scores.clone()
    kept[:, 1:] = torch.where(likely, kept[:, 1:], 0.0)
    total = kept.sum(dim=1, keepdim=True)
    # A patch that nothing but ruled out classes fits is shared out among the others.
    some = torch.cat([torch.zeros_like(likely[:1]), likely]).float()
    return torch.where(total > 0, kept / total.clamp(min=1e-12), some / some.sum().clamp(min=1))
