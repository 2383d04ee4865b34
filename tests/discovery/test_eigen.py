from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import dense_eigenpairs, dense_weights, planted_features, sides_iou

from ovseg.discovery.affinity import build_affinity
from ovseg.discovery.config import EigenConfig
from ovseg.discovery.eigen import eigenvectors, second_eigenvectors


def test_two_groups_by_hand() -> None:
    # Groups of a and b patches, all pairs within weigh 1 and across e. On vectors constant on the groups the
    # random walk is a 2 x 2 matrix whose trace is 1 + (1 - λ): λ = b e / (a + b e) + a e / (b + a e).
    a, b, e = 3, 5, 0.01
    features = torch.tensor([[1.0, 0.0]] * a + [[0.0, 1.0]] * b)[None]
    pairs = eigenvectors(build_affinity(features, 0.5, e))
    assert pairs.values.item() == pytest.approx(b * e / (a + b * e) + a * e / (b + a * e), rel=1e-5)
    x = pairs.vectors[0, :, 0]
    assert torch.allclose(x[:a], x[0].expand(a))
    assert torch.allclose(x[a:], x[-1].expand(b))
    # Orthogonal to 1 in the inner product of the degrees; the smaller group has the larger, positive entries.
    assert x[0] > 0 > x[-1]
    assert (a * (a + b * e) * x[0] + b * (b + a * e) * x[-1]).item() == pytest.approx(0, abs=1e-4)


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(2, 30), min_size=2, max_size=4),
    noise=st.floats(0.0, 1.5),
    seed=st.integers(0, 1000),
)
def test_dense_reference_agrees(sizes: list[int], noise: float, seed: int) -> None:
    features = planted_features(sizes, noise, seed)
    weights = dense_weights(features, 0.4)
    values, vectors = dense_eigenpairs(weights, min(2, len(weights) - 1))
    pairs = eigenvectors(build_affinity(features[None], 0.4, 1e-5))
    # A graph in many pieces has as many eigenvalues of the order of epsilon N: one is taken for another.
    alike = [value for value in values if value < 1e-3] or values[:1]
    assert min(abs(pairs.values[0, 0].item() - value) for value in alike) < 2e-4
    if len(values) > 1 and values[1] - values[0] > 1e-3:
        reference, found = vectors[:, 0], pairs.vectors[0, :, 0].numpy()
        degree = weights.sum(axis=1)
        cosine = (reference * degree) @ found / math.sqrt(degree @ reference**2 * (degree @ found**2))
        assert abs(cosine) > 0.999


def test_batch_gives_what_single_images_give() -> None:
    images = [planted_features([20, 30, 14], 0.8, seed) for seed in range(5)]
    together = eigenvectors(build_affinity(torch.stack(images), 0.4, 1e-5))
    for i, image in enumerate(images):
        alone = eigenvectors(build_affinity(image[None], 0.4, 1e-5))
        one, other = (v.numpy() for v in (together.vectors[i, :, 0], alone.vectors[0, :, 0]))
        assert sides_iou(one > one.mean(), other > other.mean()) == 1
        assert together.values[i].item() == pytest.approx(alone.values.item(), abs=1e-5)
    assert torch.equal(
        second_eigenvectors(torch.stack(images)[:1], 0.4),
        eigenvectors(build_affinity(images[0][None], 0.4, 1e-5)).vectors[..., 0],
    )


def test_several_vectors_span_the_groups() -> None:
    sizes = [12, 9, 15, 7]
    pairs = eigenvectors(build_affinity(planted_features(sizes, 0.3, 1)[None], 0.5, 1e-3), 3)
    groups = torch.repeat_interleave(torch.arange(4), torch.tensor(sizes))
    assert pairs.values.shape == (1, 3)
    assert bool((pairs.values.diff(dim=1) >= 0).all())
    for group in range(4):
        rows = pairs.vectors[0, groups == group]
        assert torch.allclose(rows, rows[:1].expand_as(rows), atol=1e-3)
    assert pairs.gap.item() > 0.5


def test_cells_left_out_are_cut_out_of_the_graph() -> None:
    features = planted_features([10, 12, 8], 0.5, 3)
    keep = torch.arange(30) < 22
    part = eigenvectors(build_affinity(features[None], 0.4, 1e-5), keep=keep[None])
    alone = eigenvectors(build_affinity(features[None, :22], 0.4, 1e-5))
    assert torch.equal(part.vectors[0, 22:, 0], torch.zeros(8))
    assert torch.allclose(part.vectors[0, :22, 0], alone.vectors[0, :, 0], atol=1e-4)
    assert part.values.item() == pytest.approx(alone.values.item(), abs=1e-5)


def test_same_input_gives_same_bytes() -> None:
    features = planted_features([40, 60], 1.0, 5)[None]
    one, other = (second_eigenvectors(features, 0.3) for _ in range(2))
    assert torch.equal(one, other)


def test_sign_is_fixed_by_the_largest_entry() -> None:
    for seed in range(6):
        for start in range(3):
            config = EigenConfig(seed=start)
            x = second_eigenvectors(planted_features([9, 21], 0.5, seed)[None], 0.3, config=config)[0]
            assert x[x.abs().argmax()] > 0


def test_graphs_without_structure_have_defined_answers() -> None:
    # One patch: no second eigenvector. Equal patches: the complete graph, whose other eigenvalues are all 1.
    single = eigenvectors(build_affinity(torch.ones(1, 1, 4), 0.2, 1e-5))
    assert (single.vectors.shape, single.values.item()) == ((1, 1, 1), 1.0)
    equal = eigenvectors(build_affinity(torch.ones(1, 50, 4), 0.2, 1e-5))
    assert equal.values.item() == pytest.approx(1, abs=1e-5)
    assert bool(torch.isfinite(equal.vectors).all())
    # No links at all: every patch has features of its own, even its own link is missing for zeros.
    for features in (torch.eye(16)[None], torch.zeros(1, 16, 4)):
        assert bool(torch.isfinite(eigenvectors(build_affinity(features, 0.2, 1e-5)).vectors).all())


def test_disconnected_parts_are_told_apart() -> None:
    features = torch.block_diag(torch.ones(6, 1), torch.ones(10, 1))[None]
    x = second_eigenvectors(features, 0.5)[0].numpy()
    assert sides_iou(x > x.mean(), np.arange(16) < 6) == 1


def test_more_vectors_than_cells_are_filled_up() -> None:
    pairs = eigenvectors(build_affinity(torch.eye(3)[None], 0.5, 0.1), 5)
    assert pairs.vectors.shape == (1, 3, 5)
    assert torch.equal(pairs.values[0, 2:], torch.ones(3, dtype=torch.float64))


def test_an_unfinished_image_says_so() -> None:
    config = EigenConfig(max_steps=2, angle=1e-9, flips=0.0)
    pairs = eigenvectors(build_affinity(torch.randn(1, 64, 8), 0.1, 1e-5), config=config)
    assert not pairs.converged.item()
    assert pairs.steps.item() == 2


@pytest.mark.parametrize("keep", [torch.ones(1, 3, dtype=torch.bool), torch.zeros(1, 4, dtype=torch.bool)])
def test_wrong_keep_is_refused(keep: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="expected keep of shape"):
        eigenvectors(build_affinity(torch.ones(1, 4, 2), 0.2, 1e-5), keep=keep)
