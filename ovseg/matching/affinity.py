"""Affinities of the patches of one image, along which features are propagated (proxy attention)."""

from __future__ import annotations

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["PatchAffinity", "softmax_affinity"]


def softmax_affinity(features: Tensor, sharpness: float) -> Tensor:
    """Return row-stochastic affinities of an image's patches.

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


class PatchAffinity:
    """The affinities of one image, computed when first needed and kept with the image.

    Args:
        tokens: (N, D) last-layer tokens of the backbone.
        scale: Inverse temperature; 0 propagates nothing.
    """

    def __init__(self, tokens: Tensor, scale: float) -> None:
        self._tokens, self._scale = tokens, scale

    @cached_property
    def _matrix(self) -> Tensor:
        return softmax_affinity(self._tokens, self._scale)

    def propagate(self, features: Tensor) -> Tensor:
        """Return (N, D) features, each patch's mixed with those of patches like it."""
        return self._matrix @ features if self._scale > 0 else features
