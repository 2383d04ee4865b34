"""Means and clusters whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from ovseg.prototypes.pooling import agreement_weights, cluster_patches, masked_mean, part_count, unit


def test_masked_mean_is_the_direction_of_the_cells_in_the_mask():
    patches = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    mask = np.array([True, True, False])
    np.testing.assert_allclose(masked_mean(patches, mask), [0.5**0.5, 0.5**0.5], rtol=1e-6)


def test_weights_pull_the_mean():
    patches = np.array([[1, 0], [0, 1]], np.float32)
    mean = masked_mean(patches, np.array([True, True]), np.array([3, 4], np.float32))
    np.testing.assert_allclose(mean, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize(
    ("patches", "mask"), [([[1, 0], [0, 1]], [False, False]), ([[1, 0], [-1, 0]], [True, True])]
)
def test_no_mean_without_cells_or_direction(patches, mask):
    with pytest.raises(ValueError, match="mask"):
        masked_mean(np.array(patches, np.float32), np.array(mask))


def test_an_image_unlike_the_others_counts_for_nothing():
    means = unit(np.array([[1, 0.1], [1, 0], [1, -0.1], [-1, 0]], np.float32))
    weights = agreement_weights(means)
    assert weights.max() == 1
    assert weights[3] == 0
    assert (weights[:3] > 0.9).all()


def test_two_images_cannot_outvote_each_other():
    np.testing.assert_array_equal(agreement_weights(np.eye(2, dtype=np.float32)), [1, 1])
    np.testing.assert_array_equal(agreement_weights(-np.eye(1, dtype=np.float32)), [1])
    np.testing.assert_array_equal(agreement_weights(np.eye(3, dtype=np.float32)), [1, 1, 1])


@pytest.mark.parametrize(("patches", "count"), [(1, 1), (7, 1), (8, 1), (16, 2), (255, 31), (10_000, 32)])
def test_parts_are_capped_by_the_cells(patches, count):
    assert part_count(patches, 32, 8) == count


def test_clusters_are_found_numbered_by_place_and_repeatable():
    generator = np.random.default_rng(0)
    centres = np.eye(5, dtype=np.float32)[[3, 1, 4]]
    patches = unit(
        np.repeat(centres, 20, axis=0) + 0.01 * generator.standard_normal((60, 5)).astype(np.float32)
    )
    labels = cluster_patches(patches, 3, seed=0)
    np.testing.assert_array_equal(labels, np.repeat([0, 1, 2], 20))
    np.testing.assert_array_equal(labels, cluster_patches(patches, 3, seed=0))


def test_equal_cells_are_one_cluster():
    patches = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    np.testing.assert_array_equal(cluster_patches(patches, 4, seed=0), np.repeat([0, 1], 5))
    np.testing.assert_array_equal(cluster_patches(patches[:5], 4, seed=0), np.zeros(5))


def test_more_cells_than_the_sample_still_get_labels(monkeypatch):
    monkeypatch.setattr("ovseg.prototypes.pooling.SAMPLE", 16)
    patches = np.repeat(np.eye(2, dtype=np.float32), 30, axis=0)
    np.testing.assert_array_equal(cluster_patches(patches, 2, seed=0), np.repeat([0, 1], 30))
