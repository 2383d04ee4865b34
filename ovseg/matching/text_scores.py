"""Text scores: prompts, foreground and appearance of each patch as one set of class scores.

The decision is made in two steps. First, kind against kind: is this patch a *thing* or *stuff*? Foreground
evidence answers that, weighted with the probability that the prompts give to either kind. Then, within a
kind: things by their probability, stuff by its probability relative to the class prior, both by appearance. A
name that the encoder has no picture of cannot win a common softmax; within its kind it needs only to fit
better than the other stuff.

Background words take part on both sides. A salient object that is no target class is background because it is
a *thing* of another name, a wall because it is *stuff* of another name.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ovseg.config import FusionConfig
from ovseg.matching.appearance import appearance_evidence
from ovseg.matching.encoded_image import EncodedImage
from ovseg.matching.prompts import TextClassifier

__all__ = ["fuse_text", "likely_classes", "multi_crop_scores", "rule_out", "text_scores"]

_FLOOR = 1e-3
"""Least probability relative to the class prior that a stuff name may have."""
_LEAST = 1e-12
"""Least probability that any name has, so that a patch which nothing fits is shared out and not left over."""
_EVIDENCE_MARGIN = 0.01
"""Foreground evidence is kept this far from 0 and 1: it is never certain."""


def text_scores(image: EncodedImage, classifier: TextClassifier, config: FusionConfig) -> Tensor:
    """Return (N, K + 1) scores by prompts, foreground and appearance, background first; rows sum to 1.

    Args:
        image: The image.
        classifier: The classes.
        config: Weights.
    """
    image_scores = classifier.score(image.image_features)
    if len(image.crop_features):
        image_scores = multi_crop_scores(image_scores, classifier.score(image.crop_features))
    scores = fuse_text(
        classifier.score(image.text_features),
        image_scores,
        appearance_evidence(image.appearance, classifier.appearance),
        image.foreground,
        classifier,
        config,
    )
    if config.category_top_p < 1:
        count = classifier.table.classes
        things = ~classifier.is_stuff[:count]
        scores = rule_out(scores, likely_classes(image_scores[:count], things, config.category_top_p))
    return scores


def fuse_text(
    text: Tensor,
    image_scores: Tensor,
    appearance: Tensor,
    foreground: Tensor | None,
    classifier: TextClassifier,
    config: FusionConfig,
) -> Tensor:
    """Return scores of background and classes for the N patches of one image.

    Args:
        text: (N, G) probabilities of the groups (K classes, then background words), rows summing to 1.
        image_scores: (G,) the same for the whole image.
        appearance: (N, G) log likelihood ratios of the groups' appearance attributes.
        foreground: (N,) probability of belonging to an object, or None: no such evidence.
        classifier: Which groups are classes and which are stuff, their class priors, and whether a patch may
            be none of the classes; if not, column 0 is all zero.
        config: Weights.

    Returns:
        (N, K + 1) float32 in [0, 1], rows summing to 1; column 0 is the background.
    """
    is_stuff, classes = classifier.is_stuff, classifier.table.classes
    has_background = classifier.vocabulary.has_background
    is_target = torch.arange(len(is_stuff), device=is_stuff.device) < classes
    taking_part = is_target | has_background
    things, stuff = ~is_stuff & taking_part, is_stuff & taking_part
    weight = torch.where(
        is_target,
        1.0,
        torch.where(is_stuff, config.background_stuff_weight, config.background_thing_weight),
    )
    weighted = (text * weight).clamp(min=_LEAST)

    # Shares of the kinds, not sums: small probabilities to a power would vanish.
    total = weighted[:, taking_part].sum(1, keepdim=True)
    thing_prior = (weighted[:, things].sum(1, keepdim=True) / total) ** config.thing_stuff_prior
    stuff_prior = (weighted[:, stuff].sum(1, keepdim=True) / total) ** config.thing_stuff_prior
    if foreground is not None and things.any() and stuff.any():
        odds = torch.logit(foreground, eps=_EVIDENCE_MARGIN) - (0 if has_background else config.stuff_bias)
        front = torch.sigmoid(odds)[:, None]
        thing_prior, stuff_prior = thing_prior * front, stuff_prior * (1 - front)

    scores = torch.zeros_like(weighted)
    if things.any():
        logits = torch.log(weighted) + config.thing_appearance * appearance
        if has_background:
            logits = logits + _log_gate(image_scores, is_target & ~is_stuff, config.image_gate)
        scores[:, things] = thing_prior * torch.softmax(logits[:, things], dim=1)
    if stuff.any():
        over_prior = torch.log(text / classifier.class_prior.clamp(min=1e-9) + _FLOOR)
        logits = (config.prior_correction * over_prior + config.stuff_appearance * appearance)[:, stuff]
        shares = _stuff_shares(logits, ~is_target[stuff], config.background_stuff_weight)
        scores[:, stuff] = stuff_prior * shares
    background = scores[:, classes:].sum(1, keepdim=True)
    result = torch.cat([background, scores[:, :classes]], dim=1)
    return result / result.sum(1, keepdim=True)


def _stuff_shares(logits: Tensor, is_background: Tensor, background_weight: float) -> Tensor:
    """Return the (N, S) share of each of S kinds of stuff in a patch; rows sum to 1.

    Of the background words only the best rival of a patch takes part: they all stand for the same label, and
    the sum of many weak claims would drown any one name.
    """
    if is_background.any():
        rivals = torch.where(is_background, logits, -torch.inf)
        best = rivals == rivals.max(dim=1, keepdim=True).values
        logits = torch.where(is_background & ~best, -torch.inf, logits)
        logits = logits + torch.where(is_background, math.log(max(background_weight, 1e-9)), 0.0)
    return torch.softmax(logits, dim=1)


def _log_gate(image_scores: Tensor, gated: Tensor, exponent: float) -> Tensor:
    """Return (G,) logarithms of (image-level score / the best) to the power ``exponent``; 0 if not gated."""
    logs = torch.log(image_scores.clamp(min=_LEAST))
    best = torch.where(gated, logs, -torch.inf).max()
    return torch.where(gated, exponent * (logs - best), 0.0)


def multi_crop_scores(image_scores: Tensor, crop_scores: Tensor) -> Tensor:
    """Return the image-level scores of the whole image and its crops together.

    CLIP names what fills its square; a small thing in a large picture is lost in it. ZeroSeg (Chen et al.,
    ICCV 2023) learns from embeddings of 1 × 1, 2 × 2 and 3 × 3 crops; here the same crops are scored without
    training. A class's score at a scale is that of the crop that shows it best; scales count alike.

    Args:
        image_scores: (G,) probabilities of the groups for the whole image.
        crop_scores: (V, G) the same for its crops, scale by scale; V is 0 where there are none.

    Returns:
        (G,) summing to 1.
    """
    scales, start, side = [image_scores], 0, 2
    while start < len(crop_scores):
        scales.append(crop_scores[start : start + side * side].amax(dim=0))
        start, side = start + side * side, side + 1
    mean = torch.stack(scales).mean(dim=0)
    return mean / mean.sum()


def likely_classes(image_scores: Tensor, things: Tensor, top_p: float) -> Tensor:
    """Return which classes may occur in an image (OVDiff's category filter, by a rule for any number).

    OVDiff keeps classes of at least 1/K of the probability, ten at most. Here the likeliest things are kept
    that together have ``top_p`` of the things' probability: many where the image leaves much open, few where
    it does not, however many classes there are. Stuff is always kept, as in OVDiff.

    Args:
        image_scores: (K,) probabilities of the classes for the whole image.
        things: (K,) bool.
        top_p: In (0, 1]; 1 keeps all.

    Returns:
        (K,) bool.
    """
    if top_p >= 1 or not bool(things.any()):
        return torch.ones_like(things)
    share = torch.where(things, image_scores, 0.0)
    order = torch.argsort(share, descending=True, stable=True)
    before = torch.cumsum(share[order], dim=0) - share[order]
    kept = torch.zeros_like(things)
    kept[order] = before < top_p * share.sum()
    return kept | ~things


def rule_out(scores: Tensor, likely: Tensor) -> Tensor:
    """Return (N, K + 1) scores without the classes that are not ``likely`` (K,) bool; rows sum to 1 again."""
    kept = scores.clone()
    kept[:, 1:] = torch.where(likely, kept[:, 1:], 0.0)
    total = kept.sum(dim=1, keepdim=True)
    # A patch that nothing but ruled out classes fits is shared out among the others.
    some = torch.cat([torch.zeros_like(likely[:1]), likely]).float()
    return torch.where(total > 0, kept / total.clamp(min=1e-12), some / some.sum().clamp(min=1))
