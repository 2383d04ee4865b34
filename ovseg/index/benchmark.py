"""Made-up vectors, and how well and how fast an index finds their neighbours."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np

from ovseg.index.base import Floats
from ovseg.index.build import build_index, recall_at
from ovseg.index.config import IndexConfig

__all__ = ["clustered_vectors", "time_index"]

_DEPTH = 10
_RUNS = 3


def clustered_vectors(count: int, width: int, clusters: int, seed: int, *, part: int = 0) -> Floats:
    """(count, width) float32 of unit length, around centres that depend on ``seed`` only.

    Features of networks lie near few directions: within a cluster the deviation along the i-th of its axes
    falls as 1 / sqrt(i + 1). Clusters differ in size as 1 / (rank + 10).

    Args:
        count: Vectors.
        width: Numbers a vector.
        clusters: Centres.
        seed: Of the centres.
        part: Parts of one seed are different draws from the same clusters.
    """
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((clusters, width), np.float32)
    axes = np.linalg.qr(generator.standard_normal((width, width)))[0].astype(np.float32)
    draw = np.random.default_rng([seed, part + 1])
    weights = 1 / (np.arange(clusters) + 10)
    owners = draw.choice(clusters, count, p=weights / weights.sum())
    spread = (1 / np.sqrt(np.arange(width) + 1)).astype(np.float32)
    spread *= np.sqrt(width) / np.linalg.norm(spread)
    vectors: Floats = draw.standard_normal((count, width), np.float32)
    vectors *= spread
    vectors @= axes
    vectors += centres[owners]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def time_index(
    vectors: Floats, queries: Floats, config: IndexConfig, device: str = "cpu", runs: int = _RUNS
) -> dict[str, Any]:
    """Recall at 10 of an index against the exact one of the same backend, and the ratio of their times.

    Both search the same queries, one after the other, ``runs`` times; the ratio is that of the medians.

    Returns:
        What ``describe`` says of the index, with ``build_s``, ``recall``, ``exact_ms``, ``ms`` (a query) and
        ``speedup``.
    """
    clock = time.perf_counter()
    index = build_index(vectors, config, device=device)
    build = time.perf_counter() - clock
    metadata = index.describe()
    exact = build_index(vectors, IndexConfig(kind="flat", backend=metadata["backend"]), device=device)
    times: list[list[float]] = [[], []]
    for _ in range(runs):
        found = []
        for which, searched in enumerate((exact, index)):
            clock = time.perf_counter()
            found.append(searched.search(queries, _DEPTH)[1])
            times[which].append((time.perf_counter() - clock) / len(queries))
    exact_time, own_time = map(median, times)
    return metadata | {
        "build_s": build,
        "recall": recall_at(found[1], found[0]),
        "exact_ms": 1e3 * exact_time,
        "ms": 1e3 * own_time,
        "speedup": exact_time / own_time,
    }
