"""Settings of nearest-neighbour search, and which structure suits how many vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ovseg.errors import ConfigError

__all__ = ["IndexConfig", "Kind", "chosen_kind", "list_count"]

Kind = Literal["flat", "ivf", "hnsw", "pq"]

_KINDS = ("auto", "flat", "ivf", "hnsw", "pq")
_BACKENDS = ("auto", "faiss", "torch")


@dataclass(frozen=True)
class IndexConfig:
    """How neighbours are searched.

    Attributes:
        kind: ``flat`` (exact), ``ivf`` (inverted lists), ``hnsw`` (graph), ``pq`` (inverted lists of product
            codes, the best of which are compared exactly), or ``auto``: by the number of vectors.
        backend: ``faiss``, ``torch`` (exact search only), or ``auto``: faiss for everything approximate; for
            exact search faiss too, but torch on a GPU that faiss cannot use. Without faiss every search is
            exact.
        flat_limit: Vectors up to which ``auto`` searches exactly.
        ivf_bytes: Bytes of vectors up to which ``auto`` takes ``ivf``; ``pq`` beyond.
        recall: Least share of the true ten nearest that an approximate search must find. It is measured when
            the index is built, and the effort of the search is set by it.
        seed: Of k-means and of the measured sample.

    Raises:
        ConfigError: A value is out of range.
    """

    kind: str = "auto"
    backend: str = "auto"
    flat_limit: int = 100_000
    ivf_bytes: int = 8 * 2**30
    recall: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("kind", _KINDS), ("backend", _BACKENDS)):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"index {name} must be one of {', '.join(known)}, not {getattr(self, name)!r}"
                )
        if not 0 < self.recall <= 1:
            raise ConfigError(f"index recall must be above 0 and at most 1, not {self.recall}")
        for name in ("flat_limit", "ivf_bytes", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"index {name} must be at least 0, not {getattr(self, name)}")


def chosen_kind(count: int, width: int, config: IndexConfig) -> Kind:
    """The structure for ``count`` vectors of ``width`` numbers.

    Args:
        count: Vectors.
        width: Numbers a vector.
        config: A kind that it names is taken.
    """
    if config.kind != "auto":
        return config.kind  # type: ignore[return-value]
    if count <= config.flat_limit:
        return "flat"
    return "pq" if 4 * count * width > config.ivf_bytes else "ivf"


def list_count(count: int) -> int:
    """Inverted lists for ``count`` vectors: 2 √N, which balances finding a list with reading it."""
    return max(1, min(count, round(2 * math.sqrt(count))))
