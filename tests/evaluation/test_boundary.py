from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ovseg.evaluation.boundary import boundary_counts, boundary_region
from ovseg.evaluation.metrics import VOID, figures


def eroded_region(mask, distance):
    """The paper's construction: a mask less its erosion with a 3 x 3 square."""
    return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=distance, border_value=0)


@pytest.mark.parametrize("distance", [1, 2, 5])
def test_region_equals_erosion_class_by_class(distance):
    generator = np.random.default_rng(0)
    labels = np.kron(generator.integers(0, 4, (6, 7)), np.ones((9, 8), int)).astype(np.uint8)
    region = boundary_region(labels, distance)
    for value in range(4):
        mask = labels == value
        assert np.array_equal(region & mask, eroded_region(mask, distance))


def test_counts_equal_erosion_for_two_squares():
    truth, prediction = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    truth[20:60, 20:60] = 1
    prediction[22:62, 20:60] = 1
    counts = boundary_counts(truth, prediction, 2)
    distance = round(0.02 * np.hypot(100, 100))
    for value in (0, 1):
        a, b = eroded_region(truth == value, distance), eroded_region(prediction == value, distance)
        assert counts.intersection[value] == (a & b).sum()
        assert (counts.truth[value], counts.predicted[value]) == (a.sum(), b.sum())
        assert figures(counts).iou[value] == pytest.approx((a & b).sum() / (a | b).sum())


def test_perfect_outside_void_is_perfect():
    truth = np.zeros((40, 40), np.uint8)
    truth[10:30, 10:30] = 1
    truth[8:10, 8:32] = VOID
    prediction = np.where(truth == VOID, 1, truth).astype(np.uint8)
    found = figures(boundary_counts(truth, prediction, 2))
    assert found.iou.tolist() == [1, 1]


def test_no_answer_has_no_boundary_of_a_class():
    truth = np.zeros((20, 20), np.uint8)
    counts = boundary_counts(truth, np.full((20, 20), VOID, np.uint8), 1)
    assert counts.predicted.tolist() == [0]
    assert counts.truth.tolist() == [20 * 20 - 18 * 18]
