"""Search in torch: exact, or through inverted lists, on a GPU or where faiss is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.index.base import Floats, Integers, checked_queries, ranked
from ovseg.index.kmeans import nearest_centroid, spherical_kmeans

__all__ = ["TorchFlat", "TorchLists"]

_CELLS = 2**24
"""Inner products held at a time."""


class TorchFlat:
    """Exact search: all inner products, in blocks of bounded size.

    Args:
        vectors: (N, D) float32.
        device: Where to compute.
    """

    def __init__(self, vectors: Floats, device: torch.device) -> None:
        self._vectors = torch.from_numpy(vectors).to(device)

    def search(self, queries: Floats, k: int) -> tuple[Floats, Integers]:
        """See :class:`~ovseg.index.base.Index`."""
        count, width = self._vectors.shape
        queries, k = checked_queries(queries, width, k), min(k, count)
        scores = np.empty((len(queries), k), np.float32)
        indices = np.empty((len(queries), k), np.int64)
        step = max(1, _CELLS // max(1, count))
        for start in range(0, len(queries), step):
            block = torch.from_numpy(queries[start : start + step]).to(self._vectors.device)
            top = (block @ self._vectors.T).topk(k)
            scores[start : start + step] = top.values.cpu().numpy()
            indices[start : start + step] = top.indices.cpu().numpy()
        return ranked(scores, indices)

    def describe(self) -> dict[str, Any]:
        """See :class:`~ovseg.index.base.Index`."""
        count, width = self._vectors.shape
        device = self._vectors.device.type
        return {"kind": "flat", "backend": "torch", "device": device, "vectors": count, "width": width}


class TorchLists:
    """Inverted lists (Jégou et al., PAMI 2011, section IV, without codes): each vector in the list of its
    nearest centroid; a query looks through the lists of its ``probes`` nearest centroids.

    Args:
        vectors: (N, D) float32 of unit length.
        lists: Number of lists.
        device: Where to compute.
        seed: Of k-means.
    """

    def __init__(self, vectors: Floats, lists: int, device: torch.device, seed: int) -> None:
        rows = torch.from_numpy(vectors).to(device)
        self._centroids = spherical_kmeans(rows, lists, seed)
        owner = nearest_centroid(rows, self._centroids)
        order = torch.argsort(owner, stable=True)
        self._vectors, self._rows = rows[order], order
        ends = torch.bincount(owner, minlength=len(self._centroids)).cumsum(0)
        self._ends: list[int] = [0, *ends.tolist()]
        self.probes = 1

    @property
    def efforts(self) -> list[int]:
        """Values of ``probes``, from the least to all lists."""
        lists = len(self._centroids)
        return sorted({min(lists, 2**i) for i in range(lists.bit_length() + 1)})

    def set_effort(self, effort: int) -> None:
        """Look through so many lists for each query."""
        self.probes = effort

    def search(self, queries: Floats, k: int) -> tuple[Floats, Integers]:
        """See :class:`~ovseg.index.base.Index`."""
        count, width = self._vectors.shape
        queries, k = checked_queries(queries, width, k), min(k, count)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        indices = np.full((len(queries), k), -1, np.int64)
        step = max(1, _CELLS // max(len(self._centroids), k * self.probes))
        for start in range(0, len(queries), step):
            block = torch.from_numpy(queries[start : start + step]).to(self._vectors.device)
            scores[start : start + step], indices[start : start + step] = self._block(block, k)
        return ranked(scores, indices)

    def _block(self, queries: torch.Tensor, k: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """All queries that look through a list are compared with it at once."""
        probes = (queries @ self._centroids.T).topk(self.probes).indices
        best = torch.full((len(queries), self.probes, k), -torch.inf, device=queries.device)
        found = torch.full((len(queries), self.probes, k), -1, dtype=torch.int64, device=queries.device)
        wanted = probes.flatten()
        order = torch.argsort(wanted, stable=True)
        lists, counts = torch.unique_consecutive(wanted[order], return_counts=True)
        place = 0
        for number, hits in zip(lists.tolist(), counts.tolist(), strict=True):
            pairs = order[place : place + hits]
            place += hits
            first, last = self._ends[number], self._ends[number + 1]
            if first == last:
                continue
            asking, slot = pairs // self.probes, pairs % self.probes
            top = (queries[asking] @ self._vectors[first:last].T).topk(min(k, last - first))
            width = top.values.shape[1]
            best[asking, slot, :width] = top.values
            found[asking, slot, :width] = self._rows[first:last][top.indices]
        merged = best.flatten(1).topk(k)
        return merged.values.cpu().numpy(), found.flatten(1).gather(1, merged.indices).cpu().numpy()

    def describe(self) -> dict[str, Any]:
        """See :class:`~ovseg.index.base.Index`."""
        count, width = self._vectors.shape
        return {
            "kind": "ivf",
            "backend": "torch",
            "device": self._vectors.device.type,
            "vectors": count,
            "width": width,
            "lists": len(self._centroids),
            "probes": self.probes,
        }
