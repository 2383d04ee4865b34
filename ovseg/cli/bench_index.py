"""``ovseg bench index``: do approximate searches find what the exact one finds, and how much faster?"""

from __future__ import annotations

from typing import Annotated

from ovseg.cli import options
from ovseg.cli.common import option
from ovseg.cli.launch import say, set_up_process
from ovseg.errors import UsageError
from ovseg.index import IndexConfig

__all__ = ["index"]

_DEFAULT = IndexConfig()


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
    """Recall at 10 of approximate searches against the exact one, and the ratio of their times, in one run.

    ovseg bench index --kinds ivf,hnsw,pq
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
    set_up_process(verbose=0, offline=True)

    import torch

    from ovseg.cli.bench import print_table
    from ovseg.device import resolve_device
    from ovseg.index.benchmark import clustered_vectors, time_index
    from ovseg.index.faiss_index import import_faiss

    place = resolve_device(device)
    torch.set_num_threads(threads)
    faiss = import_faiss()
    if faiss is not None:
        faiss.omp_set_num_threads(threads)
    vectors = clustered_vectors(count, width, clusters, seed)
    asked_vectors = clustered_vectors(queries, width, clusters, seed, part=1)
    rows = []
    for config in configs:
        rows.append(time_index(vectors, asked_vectors, config, str(place)))
        say(f"{rows[-1]['kind']}: recall {rows[-1]['recall']:.4f}", quiet=quiet)
    print_table(rows, as_json=as_json)
