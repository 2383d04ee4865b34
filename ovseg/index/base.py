"""What every index can do."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "Index", "Integers", "checked_queries", "checked_vectors", "ranked"]

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class Index(Protocol):
    """Vectors that can be asked for the nearest ones by inner product."""

    def search(self, queries: Floats, k: int) -> tuple[Floats, Integers]:
        """The k nearest vectors of each query.

        Args:
            queries: (Q, D) float32.
            k: At least 1; more than there are vectors counts as all of them.

        Returns:
            (Q, min(k, N)) float32 inner products, falling, and (Q, min(k, N)) int64 rows of the vectors;
            equal products in the order of rows. Where an approximate search finds fewer, -inf and -1 stand
            behind.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Kind, backend, numbers and settings, JSON-able; for approximate kinds the recall measured."""
        ...


def checked_vectors(vectors: npt.NDArray[Any]) -> Floats:
    """(N, D) float32, finite, contiguous.

    Raises:
        ValueError: They are not.
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not np.isfinite(vectors).all():
        raise ValueError(f"expected finite (N, D) float32 vectors, got {vectors.shape} {vectors.dtype}")
    return np.ascontiguousarray(vectors)


def checked_queries(queries: npt.NDArray[Any], width: int, k: int) -> Floats:
    """The same for queries of an index of ``width`` numbers a vector.

    Raises:
        ValueError: They are not, or ``k`` is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    queries = checked_vectors(queries)
    if queries.shape[1] != width:
        raise ValueError(f"expected queries of {width} numbers, got {queries.shape[1]}")
    return queries


def ranked(scores: Floats, indices: Integers) -> tuple[Floats, Integers]:
    """Rows in falling order of scores, equal ones by index, so that every backend answers alike.

    Args:
        scores: (Q, k).
        indices: (Q, k); where it is -1 the score becomes -inf.
    """
    scores = np.where(indices < 0, -np.inf, scores).astype(np.float32)
    order = np.lexsort((indices, -scores), axis=-1)
    return np.take_along_axis(scores, order, -1), np.take_along_axis(indices, order, -1)
