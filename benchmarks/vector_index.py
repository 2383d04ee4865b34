"""Do approximate searches find what the exact one finds, and how much faster? On made-up vectors."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch

from ovseg.cli import options
from ovseg.cli.common import say
from ovseg.cli.flags import configured, flag, flags, setting, takes_flags
from ovseg.cli.table import print_table
from ovseg.device import resolve_device
from ovseg.errors import UsageError
from ovseg.index.base import Floats
from ovseg.index.build import build_index, recall_at
from ovseg.index.config import IndexConfig
from ovseg.index.faiss_index import import_faiss

__all__ = ["clustered_vectors", "index", "time_index"]

_DEPTH = 10
_RUNS = 3
_DEFAULT = IndexConfig()


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


@flags("Benchmark")
class IndexFlags(options.JsonFlag, options.QuietFlag, options.DeviceFlag):
    """Flags of the benchmark."""

    vectors: int = flag("Random vectors, in clusters.", default=200_000)
    width: int = flag("Dimensions of a vector.", default=384)
    clusters: int = flag("Clusters.", default=1000)
    queries: int = flag("Queries from the same clusters.", default=1000)
    kinds: str = flag("Structures between commas: auto, flat, ivf, hnsw, pq.", default="auto")
    backend: str = setting("backend", "auto, faiss or torch.", of=_DEFAULT)
    recall: float = setting("recall", "Share of the ten nearest that a search must find.", of=_DEFAULT)
    seed: int = setting("seed", "Random seed.", of=_DEFAULT)
    threads: int = flag("CPU threads.", default=1, panel="Run")


@takes_flags
def index(flags: IndexFlags) -> None:
    """Compare recall at 10 of approximate searches with the exact one, and their times, in one run.

    For example:

      python -m benchmarks index --kinds ivf,hnsw,pq
    """
    chosen = configured(flags, _DEFAULT)
    configs = [replace(chosen, kind=name) for name in options.split_names([flags.kinds])]
    for name in ("vectors", "width", "clusters", "queries"):
        if getattr(flags, name) < 1:
            raise UsageError(f"--{name} must be at least 1, not {getattr(flags, name)}")

    place = resolve_device(flags.device)
    torch.set_num_threads(flags.threads)
    faiss = import_faiss()
    if faiss is not None:
        faiss.omp_set_num_threads(flags.threads)
    vectors = clustered_vectors(flags.vectors, flags.width, flags.clusters, flags.seed)
    queries = clustered_vectors(flags.queries, flags.width, flags.clusters, flags.seed, part=1)
    rows = []
    for config in configs:
        rows.append(time_index(vectors, queries, config, str(place)))
        say(f"{rows[-1]['kind']}: recall {rows[-1]['recall']:.4f}", quiet=flags.quiet)
    print_table(rows, as_json=flags.as_json)
