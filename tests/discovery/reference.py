"""Normalized cut as the papers' code solves it: a dense generalized eigenproblem in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch

Array = npt.NDArray[np.float64]


def dense_weights(features: torch.Tensor, tau: float, epsilon: float = 1e-5) -> Array:
    """(N, D) features to the (N, N) affinity."""
    unit = torch.nn.functional.normalize(features.float(), dim=1)
    return np.where((unit @ unit.T).numpy() > tau, 1.0, epsilon)


def dense_eigenpairs(weights: Array, count: int = 1) -> tuple[Array, Array]:
    """Values and vectors (N, count) of ``(D - W) x = λ D x`` after the first."""
    degree = np.diag(weights.sum(axis=1))
    values, vectors = scipy.linalg.eigh(degree - weights, degree, subset_by_index=[1, count])
    return values, vectors


def sides_iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """IoU of two bipartitions of the same patches: of their worse side, with sides matched the better way."""

    def iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
        union = (a | b).sum()
        return float((a & b).sum() / union) if union else 1.0

    same = min(iou(one, other), iou(~one, ~other))
    swapped = min(iou(one, ~other), iou(~one, other))
    return max(same, swapped)


def planted_features(sizes: list[int], noise: float, seed: int, length: int = 32) -> torch.Tensor:
    """(sum(sizes), length) features: one random direction a group, plus noise of that deviation."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.nn.functional.normalize(torch.randn(len(sizes), length, generator=generator), dim=1)
    groups = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    spread = noise * torch.randn(len(groups), length, generator=generator) / length**0.5
    return centres[groups] + spread
