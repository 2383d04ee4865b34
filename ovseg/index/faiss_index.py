"""Search with FAISS (Douze et al., 2024), on the CPU or a GPU. Index files are never read: vectors are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ovseg.errors import DependencyMissing
from ovseg.index.base import Floats, Integers, checked_queries, ranked
from ovseg.index.config import Kind, list_count

__all__ = ["FaissIndex", "faiss_on_gpu", "import_faiss"]

_NEIGHBOURS = 32
_BUILD_EFFORT = 100
_CODE_BITS = 8
_RERANK = 20
"""Candidates by product codes, for each neighbour asked for, that are compared exactly."""


def import_faiss() -> Any | None:
    """The faiss module, or None where it is not installed."""
    try:
        import faiss
    except ImportError:
        return None
    return faiss


def faiss_on_gpu(faiss: Any | None) -> bool:
    """Whether this faiss was built for GPUs and finds one."""
    count = getattr(faiss, "get_num_gpus", None)
    return bool(count is not None and hasattr(faiss, "StandardGpuResources") and count())


class FaissIndex:
    """One of FAISS's structures over vectors.

    Args:
        vectors: (N, D) float32 of unit length.
        kind: Which structure.
        gpu: Whether to search on a GPU (``hnsw`` has no such form and stays on the CPU).
        seed: Of k-means and of the graph's levels.

    Raises:
        DependencyMissing: faiss is not installed.
    """

    def __init__(self, vectors: Floats, kind: Kind, *, gpu: bool, seed: int) -> None:
        faiss = import_faiss()
        if faiss is None:
            raise DependencyMissing("this search needs faiss: run  pip install 'ovseg[cpu]'")
        self._faiss = faiss
        self._kind = kind
        self._gpu = gpu and kind != "hnsw"
        self._vectors = vectors
        self._effort = 0
        index = self._made(seed)
        if self._gpu:
            self._resources = faiss.StandardGpuResources()
            index = faiss.index_cpu_to_gpu(self._resources, 0, index)
        if not index.is_trained:
            index.train(vectors)
        # A graph that several threads build differs from run to run.
        threads = faiss.omp_get_max_threads()
        if kind == "hnsw":
            faiss.omp_set_num_threads(1)
        try:
            index.add(vectors)
        finally:
            faiss.omp_set_num_threads(threads)
        self._index = index

    def _made(self, seed: int) -> Any:
        """The empty structure."""
        faiss, (count, width) = self._faiss, self._vectors.shape
        if self._kind == "flat":
            return faiss.IndexFlatIP(width)
        if self._kind == "hnsw":
            graph = faiss.IndexHNSWFlat(width, _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = _BUILD_EFFORT
            return graph
        coarse, lists = faiss.IndexFlatIP(width), list_count(count)
        if self._kind == "ivf":
            index = faiss.IndexIVFFlat(coarse, width, lists, faiss.METRIC_INNER_PRODUCT)
        else:
            parts = next(n for n in range(max(1, width // 8), 0, -1) if width % n == 0)
            index = faiss.IndexIVFPQ(
                coarse, width, lists, parts, _code_bits(count), faiss.METRIC_INNER_PRODUCT
            )
            index.pq.cp.seed = seed + 1
            index.pq.cp.min_points_per_centroid = 1
        index.own_fields = True
        coarse.this.disown()
        # FAISS takes seed 1234 from time to time where it is told none; it must be one that is recorded.
        index.cp.seed = seed + 1
        index.cp.spherical = True
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = 64
        return index

    @property
    def efforts(self) -> list[int]:
        """Lists to look through, or candidates of the graph, from the least to the most."""
        if self._kind == "hnsw":
            return [2**i for i in range(4, 13)]
        lists = list_count(len(self._vectors))
        return sorted({min(lists, 2**i) for i in range(lists.bit_length() + 1)})

    def set_effort(self, effort: int) -> None:
        """How much of the structure a search looks at."""
        self._effort = effort
        if self._kind == "hnsw":
            self._index.hnsw.efSearch = effort
        else:
            self._index.nprobe = effort

    def search(self, queries: Floats, k: int) -> tuple[Floats, Integers]:
        """See :class:`~ovseg.index.base.Index`."""
        count, width = self._vectors.shape
        queries, k = checked_queries(queries, width, k), min(k, count)
        if not k or not len(queries):
            return np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        if self._kind == "pq":
            return self._reranked(queries, k)
        if self._kind == "hnsw":
            # The graph gives no more than it looks at.
            self._index.hnsw.efSearch = max(self._effort, k)
        return ranked(*self._index.search(queries, k))

    def _reranked(self, queries: Floats, k: int) -> tuple[Floats, Integers]:
        _, found = self._index.search(queries, min(len(self._vectors), k * _RERANK))
        scores = np.empty(found.shape, np.float32)
        for row, candidates in enumerate(found):
            scores[row] = self._vectors[candidates] @ queries[row]
        scores, found = ranked(scores, found)
        return scores[:, :k], found[:, :k]

    def describe(self) -> dict[str, Any]:
        """See :class:`~ovseg.index.base.Index`."""
        count, width = self._vectors.shape
        metadata = {
            "kind": self._kind,
            "backend": "faiss",
            "device": "cuda" if self._gpu else "cpu",
            "vectors": count,
            "width": width,
        }
        if self._kind == "hnsw":
            return metadata | {"neighbours": _NEIGHBOURS, "candidates": self._effort}
        if self._kind in ("ivf", "pq"):
            metadata |= {"lists": list_count(count), "probes": self._effort}
        return metadata


def _code_bits(count: int) -> int:
    """Bits a code: 8, fewer where there are not enough vectors to learn 256 codes from."""
    return max(1, min(_CODE_BITS, count.bit_length() - 1))
