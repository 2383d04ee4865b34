"""Co-segmentation: what a set of images has in common (ReCo, Shin et al., NeurIPS 2022, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["CoSegmentation", "attention", "cosegment", "pair_support"]


@dataclass(frozen=True)
class CoSegmentation:
    """Seeds of a set of images, and how like them every patch is.

    Attributes:
        seeds: For each image its patch with the best support in all images.
        reference: (D,) unit length, mean of the seeds' features.
        similarity: For each image (N,) cosine of its patches to the reference.
        support: For each image (N,) mean over the images of the best weighted affinity to any patch there.
        agreement: (n,) cosine of each seed to the mean of the other seeds, all less the mean of all patches
            of all images, a seed's vote being its weight; 1 for a single image, which has nobody to disagree
            with.
    """

    seeds: tuple[int, ...]
    reference: Tensor
    similarity: tuple[Tensor, ...]
    support: tuple[Tensor, ...]
    agreement: Tensor


def attention(text: Tensor, context: Tensor | None) -> Tensor:
    """Weight of each patch: the class's own probability, less what the context explains.

    ``text * prod(1 - context)``: text attention and context elimination (ReCo, section 3.2).

    Args:
        text: (N,) in [0, 1].
        context: (C, N) in [0, 1], probabilities of other words, or None.

    Returns:
        (N,) in [0, 1].
    """
    return text if context is None else text * torch.prod(1 - context, dim=0)


def cosegment(
    features: Sequence[Tensor], weights: Sequence[Tensor], best: Sequence[Sequence[Tensor]] | None = None
) -> CoSegmentation:
    """Find in each image the patch that all images support.

    ``score[p] = mean_i max_q A[p, q] w[q]`` over the patches ``q`` of image ``i``, with ``A`` the cosines of
    all pairs; the seed of an image is its patch of the highest score.

    Args:
        features: For each image (N_i, D) features that compare across images; rows need not have unit length.
        weights: For each image (N_i,) in [0, 1], as :func:`attention` gives them.
        best: From :func:`pair_support`, where it is known.

    Raises:
        ValueError: No image, or shapes that do not match.
    """
    best = pair_support(features, weights) if best is None else best
    units = [F.normalize(values.float(), dim=1) for values in features]
    support = [torch.stack(list(row)).mean(dim=0) for row in best]
    seeds = tuple(int(score.argmax()) for score in support)
    found = torch.stack([own[seed] for own, seed in zip(units, seeds, strict=True)])
    reference = F.normalize(found.sum(dim=0), dim=0)
    votes = torch.stack([weight[seed] for weight, seed in zip(weights, seeds, strict=True)]).to(found)
    similarity = tuple(own @ reference for own in units)
    return CoSegmentation(seeds, reference, similarity, tuple(support), _agreement(units, found, votes))


def pair_support(features: Sequence[Tensor], weights: Sequence[Tensor]) -> list[list[Tensor]]:
    """For each ordered pair of images (N_i,) ``max_q A[p, q] w[q]`` over the patches q of the second.

    Affinities are made one pair of images at a time, serve both its directions, and are never held together.
    What is known of pairs stays true when images are dropped.

    Raises:
        ValueError: No image, or shapes that do not match.
    """
    if not features or len(features) != len(weights):
        raise ValueError(f"expected as many weights as images and at least one, got {len(features)} images")
    for values, weight in zip(features, weights, strict=True):
        if values.ndim != 2 or weight.shape != values.shape[:1]:
            raise ValueError(f"weights {tuple(weight.shape)} do not match features {tuple(values.shape)}")
    units = [F.normalize(values.float(), dim=1) for values in features]
    count = len(units)
    best = [[weights[i]] * count for i in range(count)]
    for i in range(count):
        for j in range(i, count):
            cosines = units[i] @ units[j].T
            best[i][j] = (cosines * weights[j]).amax(dim=1)
            if i != j:
                best[j][i] = (cosines * weights[i][:, None]).amax(dim=0)
    return best


def _agreement(units: Sequence[Tensor], seeds: Tensor, votes: Tensor) -> Tensor:
    """(n,) likeness of each seed to the others, without what all patches of all images have in common."""
    if len(units) == 1:
        return torch.ones(1)
    common = torch.stack([own.sum(dim=0) for own in units]).sum(dim=0) / sum(len(own) for own in units)
    centred = F.normalize(seeds - common, dim=1)
    voices = centred * votes[:, None]
    others = F.normalize(voices.sum(dim=0, keepdim=True) - voices, dim=1)
    return (centred * others).sum(dim=1).cpu()
