"""Spherical k-means for inverted lists: rough, seeded, in bounded memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F

__all__ = ["nearest_centroid", "spherical_kmeans"]

_ROUNDS = 10
_SAMPLE = 64
"""Vectors a centroid that take part; more move centroids by next to nothing (so does faiss by default)."""
_CELLS = 2**24


def nearest_centroid(vectors: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """(N,) int64: the centroid of largest inner product of each of (N, D) vectors."""
    step = max(1, _CELLS // len(centroids))
    parts = [(vectors[i : i + step] @ centroids.T).argmax(1) for i in range(0, len(vectors), step)]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64, device=vectors.device)


def spherical_kmeans(vectors: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Centroids of unit length (Dhillon & Modha, 2001); empty clusters keep the vector they started with.

    Args:
        vectors: (N, D) float32 of unit length, N at least ``count``.
        count: Of centroids.
        seed: Of the sample and the start.

    Returns:
        (count, D) float32 on the device of ``vectors``.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(vectors), generator=generator)[: count * _SAMPLE]
    sample = vectors[chosen.to(vectors.device)]
    centroids = sample[:count].clone()
    for _ in range(_ROUNDS):
        owner = nearest_centroid(sample, centroids)
        sums = _sums(sample, owner, count)
        sizes = torch.bincount(owner, minlength=count)
        centroids = torch.where(sizes[:, None] > 0, F.normalize(sums, dim=1), centroids)
    return centroids


def _sums(vectors: torch.Tensor, owner: torch.Tensor, count: int) -> torch.Tensor:
    """(count, D) sums of the vectors of each owner, the same on every run."""
    # index_add_ adds in no fixed order on a GPU; sorted segments do not.
    order = torch.argsort(owner, stable=True)
    sizes = torch.bincount(owner, minlength=count)
    return torch.segment_reduce(vectors[order], "sum", lengths=sizes, axis=0)
