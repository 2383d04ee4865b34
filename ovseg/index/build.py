"""Build an index: the structure by the number of vectors, its effort by the recall it reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import ConfigError
from ovseg.index.base import Floats, Index, Integers, checked_vectors
from ovseg.index.config import IndexConfig, Kind, chosen_kind, list_count
from ovseg.index.faiss_index import FaissIndex, faiss_on_gpu, import_faiss
from ovseg.index.torch_index import TorchFlat, TorchLists

__all__ = ["build_index", "recall_at"]

_SAMPLE = 200
_DEPTH = 10


class _Measured:
    """An approximate index with the recall that was measured on it."""

    def __init__(self, index: TorchLists | FaissIndex, recall: float) -> None:
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
        ConfigError: The backend does not have the kind.
        DependencyMissing: faiss is asked for and not installed.
    """
    config = config or IndexConfig()
    vectors = checked_vectors(vectors)
    backend, gpu = _backend(config, device)
    kind = chosen_kind(len(vectors), vectors.shape[1], config, product_codes=backend == "faiss")
    if backend == "torch" and kind not in ("flat", "ivf"):
        raise ConfigError(f"torch has no index of kind {kind}: install faiss, or take flat or ivf")
    if kind == "flat" or len(vectors) <= 2 * _DEPTH:
        return _flat(vectors, backend, device, gpu=gpu)
    index = _approximate(vectors, kind, backend, device, config, gpu=gpu)
    return _Measured(index, _set_effort(index, vectors, sample, backend, device, config, gpu=gpu))


def recall_at(found: Integers, true: Integers) -> float:
    """Share of the (Q, k) true neighbours that are among the (Q, ≥k) found ones."""
    hits = [len(np.intersect1d(a[a >= 0], b)) for a, b in zip(found, true, strict=True)]
    return float(sum(hits)) / max(1, true.size)


def _backend(config: IndexConfig, device: str) -> tuple[str, bool]:
    """Name of the backend, and whether faiss is to use a GPU."""
    wants_gpu = device.startswith("cuda")
    faiss = import_faiss() if config.backend != "torch" else None
    if config.backend == "faiss" or (faiss_on_gpu(faiss) and wants_gpu):
        return "faiss", wants_gpu and faiss_on_gpu(faiss)
    return ("faiss" if faiss is not None and device == "cpu" else "torch"), False


def _flat(vectors: Floats, backend: str, device: str, *, gpu: bool) -> Index:
    import torch

    if backend == "faiss":
        return FaissIndex(vectors, "flat", gpu=gpu, seed=0)
    return TorchFlat(vectors, torch.device(device))


def _approximate(
    vectors: Floats, kind: Kind, backend: str, device: str, config: IndexConfig, *, gpu: bool
) -> TorchLists | FaissIndex:
    import torch

    if backend == "faiss":
        return FaissIndex(vectors, kind, gpu=gpu, seed=config.seed)
    return TorchLists(vectors, list_count(len(vectors)), torch.device(device), config.seed)


def _set_effort(
    index: TorchLists | FaissIndex,
    vectors: Floats,
    sample: Floats | None,
    backend: str,
    device: str,
    config: IndexConfig,
    *,
    gpu: bool,
) -> float:
    """Raise the effort until the recall on a sample is what is asked for; return that recall."""
    own: Integers | None = None
    if sample is None:
        own = np.random.default_rng(config.seed).permutation(len(vectors))[:_SAMPLE]
        sample = vectors[own]
    depth = _DEPTH + (own is not None)
    _, true = _flat(vectors, backend, device, gpu=gpu).search(sample, depth)
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
