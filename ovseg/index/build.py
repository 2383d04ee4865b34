"""Build an index: the structure by the number of vectors, its effort by the recall it reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import ConfigError, DependencyMissing
from ovseg.index.base import Floats, Index, Integers, checked_vectors
from ovseg.index.config import IndexConfig, chosen_kind
from ovseg.index.faiss_index import FaissIndex, faiss_on_gpu, import_faiss
from ovseg.index.torch_index import TorchFlat

__all__ = ["build_index", "recall_at"]

_SAMPLE = 200
_DEPTH = 10


class _Measured:
    """An approximate index with the recall that was measured on it."""

    def __init__(self, index: FaissIndex, recall: float) -> None:
        self._index = index
        self._recall = recall

    def search(self, queries: Floats, k: int) -> tuple[Floats, Integers]:
        """See :class:`~ovseg.index.base.Index`."""
        return self._index.search(queries, k)

    def describe(self) -> dict[str, Any]:
        """See :class:`~ovseg.index.base.Index`."""
        return self._index.describe() | {f"recall_at_{_DEPTH}": round(self._recall, 4)}


def build_index(
    vectors: npt.NDArray[np.float32],
    config: IndexConfig | None = None,
    *,
    device: str = "cpu",
    sample: npt.NDArray[np.float32] | None = None,
) -> Index:
    """Make vectors searchable by inner product. The same vectors, settings and machine give the same index.

    Args:
        vectors: (N, D) float32 of unit length; not copied where the backend need not.
        config: Default ``IndexConfig()``.
        device: Where to search: ``cpu``, ``cuda``, ``cuda:1``…
        sample: (S, D) float32 queries like those to come, on which the recall of an approximate structure is
            measured. Default: 200 of the vectors, themselves left out of their neighbours.

    Raises:
        ValueError: The vectors are not finite (N, D) float32.
        ConfigError: torch is asked for an approximate index.
        DependencyMissing: faiss is asked for, itself or an index that only it has, and not installed.
    """
    config = config or IndexConfig()
    vectors = checked_vectors(vectors)
    faiss = None if config.backend == "torch" else import_faiss()
    if faiss is None and config.backend == "faiss":
        raise DependencyMissing("this search needs faiss: run  pip install 'ovseg[cpu]'")
    kind = chosen_kind(len(vectors), vectors.shape[1], config) if faiss else "flat"
    if faiss is None and config.kind not in ("auto", "flat"):
        if config.backend == "torch":
            raise ConfigError(f"torch searches exactly and has no index of kind {config.kind}: take faiss")
        raise DependencyMissing(f"an index of kind {config.kind} needs faiss: run  pip install 'ovseg[cpu]'")
    gpu = device.startswith("cuda") and faiss_on_gpu(faiss)
    exact = _exact(vectors, device, in_faiss=faiss is not None, gpu=gpu, config=config)
    if kind == "flat" or len(vectors) <= 2 * _DEPTH:
        return exact
    index = FaissIndex(vectors, kind, gpu=gpu, seed=config.seed)
    return _Measured(index, _set_effort(index, exact, vectors, sample, config))


def recall_at(found: Integers, true: Integers) -> float:
    """Share of the (Q, k) true neighbours that are among the (Q, ≥k) found ones."""
    hits = [len(np.intersect1d(a[a >= 0], b)) for a, b in zip(found, true, strict=True)]
    return float(sum(hits)) / max(1, true.size)


def _exact(vectors: Floats, device: str, *, in_faiss: bool, gpu: bool, config: IndexConfig) -> Index:
    """Return exact search where it is fastest: faiss on its own device, torch on a GPU that faiss has not."""
    import torch

    if in_faiss and (gpu or device == "cpu" or config.backend == "faiss"):
        return FaissIndex(vectors, "flat", gpu=gpu, seed=0)
    return TorchFlat(vectors, torch.device(device))


def _set_effort(
    index: FaissIndex, exact: Index, vectors: Floats, sample: Floats | None, config: IndexConfig
) -> float:
    """Raise the effort until the recall on a sample is what is asked for; return that recall."""
    own: Integers | None = None
    if sample is None:
        own = np.random.default_rng(config.seed).permutation(len(vectors))[:_SAMPLE]
        sample = vectors[own]
    depth = _DEPTH + (own is not None)
    _, true = exact.search(sample, depth)
    recall = 0.0
    for effort in index.efforts:
        index.set_effort(effort)
        _, found = index.search(sample, depth)
        recall = recall_at(found, true) if own is None else recall_at(*_without(own, found, true))
        if recall >= config.recall:
            break
    return recall


def _without(own: Integers, found: Integers, true: Integers) -> tuple[Integers, Integers]:
    """Both without the query itself, which any search finds; ten true neighbours a row."""
    others = np.array([row[row != me][:_DEPTH] for me, row in zip(own, true, strict=True)])
    return np.where(found == own[:, None], -1, found), others
