"""The measurement of searches: made-up vectors, figures, command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.vector_index import clustered_vectors, time_index
from ovseg.index import IndexConfig


def test_vectors_lie_in_clusters_that_the_seed_decides():
    vectors = clustered_vectors(400, 64, 5, seed=1)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors == clustered_vectors(400, 64, 5, seed=1)).all()
    other = clustered_vectors(100, 64, 5, seed=1, part=1)
    assert not np.isin(other[:, 0], vectors[:, 0]).any()
    # Each new vector has near neighbours among the old ones; vectors of other seeds have none.
    near = (other @ vectors.T).max(1)
    assert near.mean() > (clustered_vectors(100, 64, 5, seed=2) @ vectors.T).max(1).mean() + 0.2


def test_figures_of_a_search():
    pytest.importorskip("faiss")
    vectors, queries = clustered_vectors(3000, 32, 30, 0), clustered_vectors(100, 32, 30, 0, part=1)
    row = time_index(vectors, queries, IndexConfig(kind="ivf"), runs=1)
    assert row["recall"] >= 0.97
    assert row["recall_at_10"] >= 0.99
    assert row["exact_ms"] / row["ms"] == pytest.approx(row["speedup"])
    assert time_index(vectors, queries, IndexConfig(kind="flat"), runs=1)["recall"] == 1


def test_the_command_compares_kinds_and_refuses_unknown_ones():
    arguments = "index --vectors 500 --width 16 --clusters 9 --queries 20 --kinds flat,ivf"
    result = CliRunner().invoke(app, [*arguments.split(), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    assert [row["kind"] for row in json.loads(result.stdout)] == ["flat", "ivf"]
    wrong = CliRunner().invoke(app, ["index", "--kinds", "tree"])
    assert wrong.exit_code == 2
    assert "index kind must be one of" in wrong.stderr
    assert CliRunner().invoke(app, ["index", "--vectors", "0"]).exit_code == 2


@pytest.mark.slow
def test_the_chosen_settings_reach_their_recall_on_200k_vectors():
    pytest.importorskip("faiss")
    vectors, queries = clustered_vectors(200_000, 128, 1000, 0), clustered_vectors(200, 128, 1000, 0, part=1)
    row = time_index(vectors, queries, IndexConfig(), runs=1)
    assert row["kind"] == "ivf"
    assert row["recall"] >= 0.98
    assert row["speedup"] > 1
