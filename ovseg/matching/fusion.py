"""Fusion: what the text side, the foreground and the looks say of each cell, as one set of scores.

The decision is made in two steps. First, kind against kind: is this cell a *thing* or *stuff*? Foreground
evidence answers that, weighed with the probability that the text side gives to either kind. Then, within a
kind: which thing, by the text side; which stuff, by the text side relative to chance and by looks. A name
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
"""Least probability relative to chance that the text side may give a stuff name."""
_LEAST = 1e-12
"""Least probability that any name has, so that a cell which nothing fits is shared out and not left over."""
_SURE = 0.01
"""Foreground evidence is kept this far from 0 and 1: it is never certain."""


@dataclass(frozen=True)
class Evidence:
    """What is known of the N cells of one image, for G groups: K classes, then background words.

    Attributes:
        text: (N, G) probabilities by the text side, rows summing to 1.
        image: (G,) the same for the whole image.
        chance: (G,) text probability of each group on an average picture.
        foreground: (N,) probability of belonging to an object, or None: no such evidence.
        looks: (N, G) log likelihood ratio of each group's looks.
    """

    text: torch.Tensor
    image: torch.Tensor
    chance: torch.Tensor
    foreground: torch.Tensor | None
    looks: torch.Tensor


def fuse(
    evidence: Evidence, is_stuff: torch.Tensor, classes: int, *, has_background: bool, config: SegmentConfig
) -> torch.Tensor:
    """Scores of background and classes.

    Args:
        evidence: Of one image.
        is_stuff: (G,) bool.
        classes: K; the groups behind the first K are background words.
        has_background: Whether a cell may be none of the classes; if not, column 0 is all zero.
        config: Weights (``gate``, ``mass``, ``other_things``, ``other_stuff``, ``lift``, ``cover``,
            ``looks``, ``thing_looks``).

    Returns:
        (N, K + 1) float32 in [0, 1], rows summing to 1; column 0 is the background.
    """
    asked = torch.arange(len(is_stuff), device=is_stuff.device) < classes
    taking_part = asked | has_background
    things, stuff = ~is_stuff & taking_part, is_stuff & taking_part
    weight = torch.where(asked, 1.0, torch.where(is_stuff, config.other_stuff, config.other_things))
    text = (evidence.text * weight).clamp(min=_LEAST)

    # Shares of the kinds, not sums: small probabilities to a power would vanish.
    total = text[:, taking_part].sum(1, keepdim=True)
    thing_mass = (text[:, things].sum(1, keepdim=True) / total) ** config.mass
    stuff_mass = (text[:, stuff].sum(1, keepdim=True) / total) ** config.mass
    if evidence.foreground is not None and things.any() and stuff.any():
        odds = torch.logit(evidence.foreground, eps=_SURE) - (0 if has_background else config.cover)
        front = torch.sigmoid(odds)[:, None]
        thing_mass, stuff_mass = thing_mass * front, stuff_mass * (1 - front)

    scores = torch.zeros_like(text)
    if things.any():
        logits = torch.log(text) + config.thing_looks * evidence.looks
        if has_background:
            logits = logits + _log_gate(evidence.image, asked & ~is_stuff, config.gate)
        scores[:, things] = thing_mass * torch.softmax(logits[:, things], dim=1)
    if stuff.any():
        scores[:, stuff] = stuff_mass * _stuff_shares(evidence, stuff, asked, config)
    rest = scores[:, classes:].sum(1, keepdim=True)
    result = torch.cat([rest, scores[:, :classes]], dim=1)
    return result / result.sum(1, keepdim=True)


def _stuff_shares(
    evidence: Evidence, stuff: torch.Tensor, asked: torch.Tensor, config: SegmentConfig
) -> torch.Tensor:
    """(N, S) share of each kind of stuff in a cell, for the S groups of ``stuff``; rows sum to 1.

    Of the background words only the best rival of a cell takes part: they all stand for the same label, and
    the sum of many weak claims would drown any one name.
    """
    over_chance = torch.log(evidence.text / evidence.chance.clamp(min=1e-9) + _FLOOR)
    logits = (config.lift * over_chance + config.looks * evidence.looks)[:, stuff]
    others = ~asked[stuff]
    if others.any():
        rivals = torch.where(others, logits, -torch.inf)
        best = rivals == rivals.max(dim=1, keepdim=True).values
        logits = torch.where(others & ~best, -torch.inf, logits)
        logits = logits + torch.where(others, math.log(max(config.other_stuff, 1e-9)), 0.0)
    return torch.softmax(logits, dim=1)


def _log_gate(image: torch.Tensor, gated: torch.Tensor, exponent: float) -> torch.Tensor:
    """(G,) logarithms of (score for the whole image / the best) to the power ``exponent``; 0 if not gated."""
    logs = torch.log(image.clamp(min=_LEAST))
    best = torch.where(gated, logs, -torch.inf).max()
    return torch.where(gated, exponent * (logs - best), 0.0)
