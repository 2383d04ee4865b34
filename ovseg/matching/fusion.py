"""Fusion: what the text scores, the foreground and the looks say of each patch, as one set of scores.

The decision is made in two steps. First, kind against kind: is this patch a *thing* or *stuff*? Foreground
evidence answers that, weighed with the probability that the text scores gives to either kind. Then, within a
kind: which thing, by the text scores; which stuff, by the text scores relative to chance and by looks. A name
that the encoder has no picture of has nothing to win in a common softmax; within its kind it needs only to
fit better than the other stuff.

Background words take part on both sides. A salient object that nobody asked for is background because it is
a *thing* of another name, a wall because it is *stuff* of another name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ovseg.config import SegmentConfig

_FLOOR = 1e-3
"""Least probability relative to chance that the text scores may give a stuff name."""
_LEAST = 1e-12
"""Least probability that any name has, so that a patch which nothing fits is shared out and not left over."""
_SURE = 0.01
"""Foreground evidence is kept this far from 0 and 1: it is never certain."""


@dataclass(frozen=True)
class Evidence:
    """What is known of the N patches of one image, for G groups: K classes, then background words.

    Attributes:
        text: (N, G) probabilities by the text scores, rows summing to 1.
        image: (G,) the same for the whole image.
        class_prior: (G,) text probability of each group on an average picture.
        foreground: (N,) probability of belonging to an object, or None: no such evidence.
        appearance: (N, G) log likelihood ratio of each group's looks.
    """

    text: torch.Tensor
    image: torch.Tensor
    class_prior: torch.Tensor
    foreground: torch.Tensor | None
    appearance: torch.Tensor


def fuse(
    evidence: Evidence, is_stuff: torch.Tensor, classes: int, *, has_background: bool, config: SegmentConfig
) -> torch.Tensor:
    """Scores of background and classes.

    Args:
        evidence: Of one image.
        is_stuff: (G,) bool.
        classes: K; the groups behind the first K are background words.
        has_background: Whether a patch may be none of the classes; if not, column 0 is all zero.
        config: Weights (``image_gate``, ``thing_stuff_prior``, ``background_thing_weight``,
            ``background_stuff_weight``, ``prior_correction``, ``stuff_bias``, ``stuff_appearance``,
            ``thing_appearance``).

    Returns:
        (N, K + 1) float32 in [0, 1], rows summing to 1; column 0 is the background.
    """
    target_classes = torch.arange(len(is_stuff), device=is_stuff.device) < classes
    taking_part = target_classes | has_background
    things, stuff = ~is_stuff & taking_part, is_stuff & taking_part
    weight = torch.where(
        target_classes,
        1.0,
        torch.where(is_stuff, config.background_stuff_weight, config.background_thing_weight),
    )
    text = (evidence.text * weight).clamp(min=_LEAST)

    # Shares of the kinds, not sums: small probabilities to a power would vanish.
    total = text[:, taking_part].sum(1, keepdim=True)
    thing_prior = (text[:, things].sum(1, keepdim=True) / total) ** config.thing_stuff_prior
    stuff_prior = (text[:, stuff].sum(1, keepdim=True) / total) ** config.thing_stuff_prior
    if evidence.foreground is not None and things.any() and stuff.any():
        odds = torch.logit(evidence.foreground, eps=_SURE) - (0 if has_background else config.stuff_bias)
        front = torch.sigmoid(odds)[:, None]
        thing_prior, stuff_prior = thing_prior * front, stuff_prior * (1 - front)

    scores = torch.zeros_like(text)
    if things.any():
        logits = torch.log(text) + config.thing_appearance * evidence.appearance
        if has_background:
            logits = logits + _log_gate(evidence.image, target_classes & ~is_stuff, config.image_gate)
        scores[:, things] = thing_prior * torch.softmax(logits[:, things], dim=1)
    if stuff.any():
        scores[:, stuff] = stuff_prior * _stuff_shares(evidence, stuff, target_classes, config)
    rest = scores[:, classes:].sum(1, keepdim=True)
    result = torch.cat([rest, scores[:, :classes]], dim=1)
    return result / result.sum(1, keepdim=True)


def _stuff_shares(
    evidence: Evidence, stuff: torch.Tensor, target_classes: torch.Tensor, config: SegmentConfig
) -> torch.Tensor:
    """(N, S) share of each kind of stuff in a patch, for the S groups of ``stuff``; rows sum to 1.

    Of the background words only the best rival of a patch takes part: they all stand for the same label, and
    the sum of many weak claims would drown any one name.
    """
    over_chance = torch.log(evidence.text / evidence.class_prior.clamp(min=1e-9) + _FLOOR)
    logits = (config.prior_correction * over_chance + config.stuff_appearance * evidence.appearance)[:, stuff]
    others = ~target_classes[stuff]
    if others.any():
        rivals = torch.where(others, logits, -torch.inf)
        best = rivals == rivals.max(dim=1, keepdim=True).values
        logits = torch.where(others & ~best, -torch.inf, logits)
        logits = logits + torch.where(others, math.log(max(config.background_stuff_weight, 1e-9)), 0.0)
    return torch.softmax(logits, dim=1)


def _log_gate(image: torch.Tensor, gated: torch.Tensor, exponent: float) -> torch.Tensor:
    """(G,) logarithms of (score for the whole image / the best) to the power ``exponent``; 0 if not gated."""
    logs = torch.log(image.clamp(min=_LEAST))
    best = torch.where(gated, logs, -torch.inf).max()
    return torch.where(gated, exponent * (logs - best), 0.0)
