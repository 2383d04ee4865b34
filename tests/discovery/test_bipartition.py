from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import dense_weights, planted_features

from ovseg.discovery.affinity import build_affinity
from ovseg.discovery.bipartition import bipartition, component, foreground_side, ncut_values


def test_ncut_value_by_hand() -> None:
    # Two pairs, weight 1 within and e across: cut 4e; each side's volume 4 + 4e.
    e = 0.1
    affinity = build_affinity(torch.tensor([[[1.0, 0], [1, 0], [0, 1], [0, 1]]]), 0.5, e)
    sides = torch.tensor([[[True, True], [True, False], [False, True], [False, False]]])
    clean = 2 * 4 * e / (4 + 4 * e)
    # One of each pair: within a side 2 + 2e, across 2 + 2e.
    mixed = 2 * (2 + 2 * e) / (4 + 4 * e)
    assert ncut_values(affinity, sides)[0].tolist() == pytest.approx([clean, mixed], rel=1e-5)


def test_an_empty_side_costs_most() -> None:
    affinity = build_affinity(torch.ones(1, 3, 2), 0.5, 0.1)
    sides = torch.tensor([[[True, False]] * 3])
    assert ncut_values(affinity, sides)[0].tolist() == [2.0, 2.0]


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), kept=st.integers(4, 24))
def test_ncut_values_of_a_part_are_those_of_its_own_graph(seed: int, kept: int) -> None:
    features = planted_features([8, 10, 6], 1.0, seed)
    generator = torch.Generator().manual_seed(seed)
    sides = torch.rand(24, 3, generator=generator) > 0.5
    keep = torch.zeros(24, dtype=torch.bool)
    keep[torch.randperm(24, generator=generator)[:kept]] = True
    found = ncut_values(build_affinity(features[None], 0.3, 1e-3), sides[None], keep[None])[0]
    weights = dense_weights(features, 0.3, 1e-3)[np.ix_(keep.numpy(), keep.numpy())]
    for column, value in zip(sides[keep].numpy().T, found, strict=True):
        cut = weights[column][:, ~column].sum()
        volumes = weights[column].sum(), weights[~column].sum()
        expected = cut / volumes[0] + cut / volumes[1] if min(volumes) > 0 else 2.0
        assert value.item() == pytest.approx(expected, rel=1e-4)


def test_the_mean_is_that_of_kept_cells() -> None:
    affinity = build_affinity(torch.ones(1, 4, 2), 0.5, 0.1)
    vector = torch.tensor([[1.0, 2.0, 6.0, 100.0]])
    keep = torch.tensor([[True, True, True, False]])
    assert bipartition(affinity, vector, keep).tolist() == [[False, False, True, False]]


def test_the_best_ncut_value_is_found_where_the_mean_is_not_the_gap() -> None:
    # Five patches against three; the vector's mean would put the fourth on the wrong side.
    features = torch.block_diag(torch.ones(5, 1), torch.ones(3, 1))[None]
    vector = torch.tensor([[0.0, 0.0, 0.0, 0.0, 5.0, 6.0, 6.0, 6.0]])
    affinity = build_affinity(features, 0.5, 1e-3)
    assert bipartition(affinity, vector)[0].tolist() == [False] * 4 + [True] * 4
    assert bipartition(affinity, vector, split="ncut")[0].tolist() == [False] * 5 + [True] * 3


def test_side_of_the_seed_unless_it_holds_three_corners() -> None:
    vector = np.array([[0, 0, 0], [0, 3, 0], [0, 0, 0]], np.float32)
    middle = vector > 1
    assert np.array_equal(foreground_side(vector, ~middle), middle)
    # Now the strongest entry lies in a corner of the surrounding side, which holds all four.
    vector[0, 0] = -9
    assert np.array_equal(foreground_side(vector, ~middle), middle)


def test_saliency_chooses_the_side() -> None:
    vector = np.array([[0, 0, 0], [0, 3, 0], [0, 0, 0]], np.float32)
    middle = vector > 1
    saliency = np.where(middle, 0.1, 0.9).astype(np.float32)
    assert np.array_equal(foreground_side(vector, middle, saliency=saliency), ~middle)


def test_one_sided_cut_keeps_everything() -> None:
    vector = np.zeros((2, 2), np.float32)
    assert foreground_side(vector, np.zeros((2, 2), bool)).all()


def test_component_of_the_seed_or_of_the_saliency() -> None:
    side = np.array([[1, 1, 0, 1]], bool)
    vector = np.array([[1, 1, 0, 9]], np.float32)
    assert component(side, vector).tolist() == [[False, False, False, True]]
    saliency = np.array([[0.5, 0.5, 1, 0.8]], np.float32)
    assert component(side, vector, saliency).tolist() == [[True, True, False, False]]


def test_diagonal_neighbours_are_not_connected() -> None:
    side = np.eye(3, dtype=bool)
    vector = np.diag(np.array([1.0, 2.0, 5.0])).astype(np.float32)
    assert component(side, vector).sum() == 1
