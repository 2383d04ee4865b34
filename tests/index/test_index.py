"""Search in every structure of every backend, against a plain sort of all inner products."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg.errors import ConfigError, DependencyMissing
from ovseg.index import IndexConfig, build_index
from ovseg.index.base import ranked
from ovseg.index.build import recall_at
from ovseg.index.config import chosen_kind, list_count

PAIRS = [
    ("torch", "flat"),
    ("faiss", "flat"),
    ("faiss", "ivf"),
    ("faiss", "hnsw"),
    ("faiss", "pq"),
]


def needs(backend: str) -> None:
    if backend == "faiss":
        pytest.importorskip("faiss")


def unit(generator: np.random.Generator, count: int, width: int) -> np.ndarray:
    rows = generator.standard_normal((count, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def clustered(seed: int, count: int, width: int = 32) -> np.ndarray:
    """Vectors around the same forty centres, whatever the seed."""
    centres, generator = unit(np.random.default_rng(99), 40, width), np.random.default_rng(seed)
    rows = centres[generator.integers(0, 40, count)] + 0.7 * unit(generator, count, width)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def by_hand(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("backend", ["torch", "faiss"])
@settings(max_examples=25)
@given(count=st.integers(1, 60), query_count=st.integers(0, 9), k=st.integers(1, 80), seed=st.integers(0, 99))
def test_exact_search_equals_a_sort(backend, count, query_count, k, seed):
    needs(backend)
    generator = np.random.default_rng(seed)
    vectors, queries = unit(generator, count, 8), unit(generator, query_count, 8)
    scores, indices = build_index(vectors, IndexConfig(backend=backend)).search(queries, k)
    assert scores.shape == indices.shape == (query_count, min(k, count))
    assert (scores.dtype, indices.dtype) == (np.float32, np.int64)
    assert np.allclose(scores, -np.sort(-(queries @ vectors.T), axis=1)[:, :k], atol=1e-6)
    assert np.allclose(np.take_along_axis(queries @ vectors.T, indices, 1), scores, atol=1e-6)


@pytest.mark.parametrize(("backend", "kind"), PAIRS)
def test_every_structure_finds_what_is_asked_for(backend, kind):
    needs(backend)
    vectors, queries = clustered(0, 3000), clustered(1, 100)
    index = build_index(vectors, IndexConfig(kind=kind, backend=backend))
    scores, indices = index.search(queries, 10)
    assert recall_at(indices, by_hand(vectors, queries, 10)) >= 0.97
    assert np.allclose(np.take_along_axis(queries @ vectors.T, indices, 1), scores, atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()
    metadata = index.describe()
    assert (metadata["kind"], metadata["backend"], metadata["vectors"], metadata["width"]) == (
        kind,
        backend,
        3000,
        32,
    )
    if kind != "flat":
        assert metadata["recall_at_10"] >= 0.99


@pytest.mark.parametrize(("backend", "kind"), PAIRS)
def test_the_same_vectors_give_the_same_answers(backend, kind):
    needs(backend)
    vectors, queries = clustered(2, 1500), clustered(3, 50)
    config = IndexConfig(kind=kind, backend=backend, seed=5)
    first, second = (build_index(vectors, config) for _ in range(2))
    assert first.describe() == second.describe()
    for a, b in zip(first.search(queries, 7), second.search(queries, 7), strict=True):
        assert (a == b).all()


@pytest.mark.parametrize(("backend", "kind"), PAIRS)
def test_more_neighbours_than_vectors(backend, kind):
    needs(backend)
    vectors = clustered(4, 30)
    scores, indices = build_index(vectors, IndexConfig(kind=kind, backend=backend, recall=1.0)).search(
        vectors, 99
    )
    assert scores.shape == (30, 30)
    assert (indices[:, 0] == np.arange(30)).all()


@pytest.mark.parametrize("backend", ["torch", "faiss"])
def test_equal_vectors_come_in_the_order_of_rows(backend):
    needs(backend)
    vectors = np.tile(unit(np.random.default_rng(0), 1, 4), (6, 1))
    _, indices = build_index(vectors, IndexConfig(backend=backend)).search(vectors[:1], 6)
    assert indices.tolist() == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("backend", ["torch", "faiss"])
def test_no_vectors_at_all(backend):
    needs(backend)
    index = build_index(np.empty((0, 4), np.float32), IndexConfig(backend=backend))
    scores, indices = index.search(np.ones((2, 4), np.float32), 3)
    assert scores.shape == indices.shape == (2, 0)


def test_what_is_no_vectors_is_refused():
    index = build_index(np.eye(3, dtype=np.float32))
    for wrong in (np.eye(3), np.ones(3, np.float32), np.full((2, 3), np.nan, np.float32)):
        with pytest.raises(ValueError, match=r"expected finite \(N, D\) float32"):
            build_index(wrong)
    with pytest.raises(ValueError, match="expected queries of 3 numbers, got 2"):
        index.search(np.ones((1, 2), np.float32), 1)
    with pytest.raises(ValueError, match="k must be at least 1"):
        index.search(np.ones((1, 3), np.float32), 0)


def test_queries_like_those_to_come_decide_the_effort():
    needs("faiss")
    vectors, sample = clustered(5, 3000), unit(np.random.default_rng(6), 100, 32)
    config = IndexConfig(kind="ivf")
    near, far = build_index(vectors, config), build_index(vectors, config, sample=sample)
    # Random directions have their neighbours in many clusters.
    assert far.describe()["probes"] > near.describe()["probes"]
    assert recall_at(far.search(sample, 10)[1], by_hand(vectors, sample, 10)) >= 0.99


@pytest.mark.parametrize(
    ("count", "config", "kind"),
    [
        (0, IndexConfig(), "flat"),
        (100_000, IndexConfig(), "flat"),
        (100_001, IndexConfig(), "ivf"),
        (10_000_000, IndexConfig(), "pq"),
        (11, IndexConfig(flat_limit=10), "ivf"),
        (10, IndexConfig(kind="hnsw"), "hnsw"),
    ],
)
def test_the_structure_follows_the_size(count, config, kind):
    assert chosen_kind(count, 384, config) == kind


def test_lists_grow_with_the_root():
    assert [list_count(n) for n in (1, 2, 100, 200_000)] == [1, 2, 20, 894]


@pytest.mark.parametrize(
    "settings", [{"kind": "tree"}, {"backend": "scann"}, {"recall": 0.0}, {"recall": 1.1}, {"seed": -1}]
)
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=f"index {next(iter(settings))} must be"):
        IndexConfig(**settings)


def test_torch_has_no_approximate_index():
    with pytest.raises(ConfigError, match="torch searches exactly and has no index of kind pq"):
        build_index(clustered(0, 100), IndexConfig(kind="pq", backend="torch"))


def test_without_faiss_torch_takes_over(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert build_index(np.eye(3, dtype=np.float32)).describe()["backend"] == "torch"
    with pytest.raises(DependencyMissing, match=r"pip install 'ovseg\[cpu\]'"):
        build_index(np.eye(3, dtype=np.float32), IndexConfig(backend="faiss"))
    with pytest.raises(DependencyMissing, match="an index of kind ivf needs faiss"):
        build_index(np.eye(3, dtype=np.float32), IndexConfig(kind="ivf"))
    many = clustered(0, 200)
    assert build_index(many, IndexConfig(flat_limit=10)).describe()["kind"] == "flat"


def test_the_settings_of_an_index_cost_no_heavy_import():
    heavy = "{'torch', 'numpy'}"
    code = f"import sys; from ovseg.index import IndexConfig; sys.exit(not {heavy}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_that_were_not_found_come_last():
    scores, indices = ranked(
        np.array([[0.1, 0.9, 0.9, 5.0]], np.float32), np.array([[4, 7, 2, -1]], np.int64)
    )
    assert indices.tolist() == [[2, 7, 4, -1]]
    assert scores[0, 3] == -np.inf


def test_recall_by_hand():
    found = np.array([[1, 2, -1], [5, 6, 7]])
    assert recall_at(found, np.array([[1, 3], [6, 7]])) == 0.75


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_the_gpu_agrees_with_the_cpu(kind):
    vectors, queries = clustered(0, 3000), clustered(1, 100)
    index = build_index(vectors, IndexConfig(kind=kind), device="cuda")
    assert index.describe()["device"] == "cuda"
    assert recall_at(index.search(queries, 10)[1], by_hand(vectors, queries, 10)) >= 0.97
