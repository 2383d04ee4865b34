"""Do approximate searches find what the exact one finds, and how much faster? On made-up vectors."""

from __future__ import annotations

import time
from statistics import median
from typing import Annotated, Any

import numpy as np
import torch

from ovseg.cli import options
from ovseg.cli.common import option, say
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


def index(
    count: Annotated[int, option("--vectors", help="Made-up vectors, in clusters.")] = 200_000,
    width: Annotated[int, option("--width", help="Numbers a vector.")] = 384,
    clusters: Annotated[int, option("--clusters", help="Clusters.")] = 1000,
    queries: Annotated[int, option("--queries", help="Queries from the same clusters.")] = 1000,
    kinds: Annotated[
        str, option("--kinds", help="Structures between commas: auto, flat, ivf, hnsw, pq.")
    ] = "auto",
    backend: Annotated[str, option("--backend", help="auto, faiss or torch.")] = _DEFAULT.backend,
    recall: Annotated[
        float, option("--recall", help="Share of the ten nearest that a search must find.")
    ] = _DEFAULT.recall,
    threads: Annotated[int, option("--threads", help="CPU threads.")] = 1,
    seed: options.Seed = _DEFAULT.seed,
    device: options.Device = "auto",
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Compare recall at 10 of approximate searches with the exact one, and their times, in one run.

    For example:

      python -m benchmarks index --kinds ivf,hnsw,pq
    """
    names = [name.strip() for name in kinds.split(",") if name.strip()]
    configs = [IndexConfig(kind=name, backend=backend, recall=recall, seed=seed) for name in names]
    for flag, value in (
        ("--vectors", count),
        ("--width", width),
        ("--clusters", clusters),
        ("--queries", queries),
    ):
        if value < 1:
            raise UsageError(f"{flag} must be at least 1, not {value}")

    place = resolve_device(device)
    torch.set_num_threads(threads)
    faiss = import_faiss()
    if faiss is not None:
        faiss.omp_set_num_threads(threads)
    vectors = clustered_vectors(count, width, clusters, seed)
    targets = clustered_vectors(queries, width, clusters, seed, part=1)
    rows = []
    for config in configs:
        rows.append(time_index(vectors, targets, config, str(place)))
        say(f"{rows[-1]['kind']}: recall {rows[-1]['recall']:.4f}", quiet=quiet)
    print_table(rows, as_json=as_json)
