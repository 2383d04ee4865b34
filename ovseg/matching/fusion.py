"""Fusion: what the text side, the foreground and the looks say of each cell, as one set of scores.

The decision is made in two steps. First, group against group: is this cell a *thing* or *stuff* (the
background counts as stuff)? Foreground evidence answers that, weighed with the probability that the text
side gives each group. Then, within a group: which thing, by the text side; which stuff, by the text side
relative to chance and by looks. A name that the encoder has no picture of has nothing to win in a common
softmax; within its group it needs only to fit better than the other stuff.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ovseg.config import SegmentConfig

_FLOOR = 1e-3
"""Least probability relative to chance that the text side may give a stuff name."""
_SURE = 0.01
"""Foreground evidence is kept this far from 0 and 1: it is never certain."""


@dataclass(frozen=True)
class Evidence:
    """What is known of the N cells of one image.

    Attributes:
        text: (N, K + 1) class probabilities by the text side, rows summing to 1; the last is the background.
        image: (K,) score of each class for the whole image.
        chance: (K + 1,) text probability of each class on an average picture.
        foreground: (N,) probability of belonging to a thing, or None: no such evidence.
        looks: (N, K) log likelihood ratio of each class's looks.
    """

    text: torch.Tensor
    image: torch.Tensor
    chance: torch.Tensor
    foreground: torch.Tensor | None
    looks: torch.Tensor


def fuse(
    evidence: Evidence, is_stuff: torch.Tensor, *, has_background: bool, config: SegmentConfig
) -> torch.Tensor:
    """Scores of background and classes.

    Args:
        evidence: Of one image.
        is_stuff: (K,) bool.
        has_background: Whether a cell may be none of the classes; if not, column 0 is all zero.
        config: Weights (``gate``, ``mass``, ``background_weight``, ``lift``, ``looks``).

    Returns:
        (N, K + 1) float32 in [0, 1], rows summing to 1; column 0 is the background.
    """
    text, classes = evidence.text, len(is_stuff)
    named = text[:, :classes]
    things = named[:, ~is_stuff]
    rest = text[:, classes:] * config.background_weight if has_background else text[:, :0]
    stuff = torch.cat([rest, named[:, is_stuff]], dim=1)

    gated = things
    if has_background and things.shape[1]:
        # Without a background somebody must win, and a gate would only favour one thing over its kin.
        gate = evidence.image[~is_stuff]
        gated = things * (gate / gate.max().clamp(min=1e-9)) ** config.gate
    within_things = gated / gated.sum(1, keepdim=True).clamp(min=1e-12)
    within_stuff = _within_stuff(stuff, evidence, is_stuff, has_background=has_background, config=config)

    thing_mass = things.sum(1, keepdim=True) ** config.mass
    stuff_mass = stuff.sum(1, keepdim=True) ** config.mass
    if evidence.foreground is not None and things.shape[1] and stuff.shape[1]:
        front = evidence.foreground.clamp(_SURE, 1 - _SURE)[:, None]
        thing_mass, stuff_mass = thing_mass * front, stuff_mass * (1 - front)

    scores = torch.zeros(len(text), classes + 1, device=text.device)
    labels = torch.arange(1, classes + 1, device=text.device)
    scores[:, labels[~is_stuff]] = thing_mass * within_things
    order = torch.cat([labels.new_zeros(int(has_background)), labels[is_stuff]])
    scores[:, order] = stuff_mass * within_stuff
    return scores / scores.sum(1, keepdim=True).clamp(min=1e-12)


def _within_stuff(
    stuff: torch.Tensor,
    evidence: Evidence,
    is_stuff: torch.Tensor,
    *,
    has_background: bool,
    config: SegmentConfig,
) -> torch.Tensor:
    """Share of each kind of stuff in a cell, the background first if there is one."""
    if not is_stuff.any():
        return torch.ones_like(stuff)
    named = torch.nonzero(is_stuff)[:, 0]
    rest = named.new_full((int(has_background),), len(is_stuff))
    chance = evidence.chance[torch.cat([rest, named])].clamp(min=1e-9)
    looks = evidence.looks[:, is_stuff]
    if has_background:
        looks = torch.cat([torch.zeros_like(looks[:, :1]), looks], dim=1)
    logits = config.lift * torch.log(stuff / chance + _FLOOR) + config.looks * looks
    return torch.softmax(logits, dim=1)
