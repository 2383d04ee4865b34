from __future__ import annotations

import numpy as np
import pytest

from ovseg.evaluation.bootstrap import Bootstrap, BootstrapSettings, ImageWeights, interval
from ovseg.evaluation.metrics import AreaCounts, area_counts, figures


def test_weights_are_a_redraw_with_replacement():
    settings = BootstrapSettings(replicates=4000, seed=1)
    weights = ImageWeights(10, settings)
    drawn = np.stack([weights.next() for _ in range(10)])
    assert (drawn.sum(axis=0) == 10).all()
    # A multinomial count has mean 1 and variance 1 - 1/n; covariance between images is -1/n.
    assert drawn.mean(axis=1) == pytest.approx(np.ones(10), abs=0.08)
    assert drawn.var(axis=1) == pytest.approx(np.full(10, 0.9), abs=0.12)
    assert np.cov(drawn)[0, 9] == pytest.approx(-0.1, abs=0.06)
    with pytest.raises(ValueError, match="more images"):
        weights.next()


def test_streamed_figures_equal_redrawn_lists():
    generator = np.random.default_rng(0)
    matrices = [np.pad(generator.integers(0, 50, (3, 3)), ((0, 0), (0, 1))) for _ in range(7)]
    settings = BootstrapSettings(replicates=20, seed=5)
    bootstrap, weights, drawn = Bootstrap(3, settings), ImageWeights(7, settings), []
    for matrix in matrices:
        drawn.append(weights.next())
        bootstrap.add(area_counts(matrix), drawn[-1])
    found = bootstrap.figures()
    for replicate in range(20):
        total = sum(int(drawn[i][replicate]) * matrix for i, matrix in enumerate(matrices))
        expected = figures(area_counts(total))
        assert found.miou[replicate] == pytest.approx(expected.miou, abs=1e-12)
        assert found.iou[replicate] == pytest.approx(expected.iou, nan_ok=True)


def test_interval_of_one_image_is_a_point():
    settings = BootstrapSettings(replicates=50)
    bootstrap, weights = Bootstrap(2, settings), ImageWeights(1, settings)
    bootstrap.add(AreaCounts(*np.array([[3, 1], [4, 2], [5, 1]])), weights.next())
    low, high = interval(bootstrap.figures().miou, 0.95)
    assert low == high == pytest.approx((3 / 6 + 1 / 2) / 2)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    # Accuracy of 60 images of equal size, each right with probability 0.7 on its own pixels.
    generator = np.random.default_rng(2)
    hits = 0
    for trial in range(200):
        settings = BootstrapSettings(replicates=200, seed=trial)
        bootstrap, weights = Bootstrap(1, settings), ImageWeights(60, settings)
        for right in generator.binomial(100, generator.beta(7, 3, 60)):
            bootstrap.add(AreaCounts(*np.array([[right], [right], [100]])), weights.next())
        low, high = interval(bootstrap.figures().pixel_accuracy, 0.95)
        hits += low <= 0.7 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_no_values_have_no_interval():
    assert interval(np.full(5, np.nan), 0.95) is None
