"""Affinities of patches within one image, along which features are spread (training-free proxy attention)."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def softmax_affinity(features: torch.Tensor, sharpness: float) -> torch.Tensor:
    """Row-stochastic affinities of an image's patches.

    ``softmax(sharpness * cos(f_i, f_j))`` over j: attention without projections, on features of another
    encoder than the one whose values it mixes, as in ProxyCLIP (Lan et al., ECCV 2024); no threshold.

    Args:
        features: (N, D) features of the backbone.
        sharpness: Inverse temperature, > 0.

    Returns:
        (N, N) float32, rows summing to 1.
    """
    unit = F.normalize(features.float(), dim=-1)
    return torch.softmax(sharpness * (unit @ unit.T), dim=-1)
