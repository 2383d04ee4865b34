"""Exact search in torch: on a GPU that faiss cannot use, or where faiss is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ovseg.index.base import Floats, Integers, checked_queries, ranked

__all__ = ["TorchFlat"]

_PRODUCTS = 2**24
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
        step = max(1, _PRODUCTS // max(1, count))
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
