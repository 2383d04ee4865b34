"""Pixel-adaptive mask refinement (Araslanov & Roth, CVPR 2020, section 4.2), of our own making."""

from __future__ import annotations

import torch
import torch.nn.functional as F

DILATIONS = (1, 2, 4)
"""Distances in pixels of a pixel's neighbours, eight at each."""
TEMPERATURE = 0.1
"""Of the softmax over neighbours, in standard deviations of the neighbourhood."""
_NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))


def pamr(
    image: torch.Tensor,
    scores: torch.Tensor,
    *,
    iterations: int = 10,
    dilations: tuple[int, ...] = DILATIONS,
) -> torch.Tensor:
    """Smooth each pixel's scores along neighbours of similar colour.

    Every iteration replaces a pixel's scores by the weighted mean over its neighbours at all dilations; the
    weights are a softmax over the neighbours of ``-|I_i - I_j| / (0.1 sigma_i)``, averaged over channels,
    where ``sigma_i`` is the standard deviation of the image in the neighbourhood (the paper's kernel) and 0.1
    the temperature.

    Args:
        image: (3, H, W) float in [0, 1].
        scores: (K, H, W) float.
        iterations: How many times.
        dilations: Distances of the neighbours, eight at each.

    Returns:
        (K, H, W) of the same dtype; a constant stays constant, and sums over K are kept.
    """
    reach = max(dilations)
    offsets = [(dy * d, dx * d) for d in dilations for dy, dx in _NEIGHBOURS]
    height, width = image.shape[-2:]

    def neighbours(padded: torch.Tensor, offset: tuple[int, int]) -> torch.Tensor:
        y, x = reach + offset[0], reach + offset[1]
        return padded[..., y : y + height, x : x + width]

    padded = F.pad(image[None], (reach,) * 4, mode="replicate")[0]
    around = torch.stack([neighbours(padded, offset) for offset in offsets])
    # The deviation takes in the pixel itself, so that an isolated speck does not look typical.
    count = len(offsets) + 1
    mean = (around.sum(dim=0) + image) / count
    squares = (around.square().sum(dim=0) + image.square()) / count
    deviation = (squares - mean.square()).clamp(min=0).sqrt()
    # In place: each of these is 24 times the image.
    similarity = around.sub_(image).abs_().neg_().div_(deviation + 1e-8).div_(TEMPERATURE)
    kernel = torch.softmax(similarity.mean(dim=1), dim=0)
    for _ in range(iterations):
        padded = F.pad(scores[None], (reach,) * 4, mode="replicate")[0]
        mixed = torch.zeros_like(scores)
        for weight, offset in zip(kernel, offsets, strict=True):
            mixed.addcmul_(weight, neighbours(padded, offset))
        scores = mixed
    return scores
