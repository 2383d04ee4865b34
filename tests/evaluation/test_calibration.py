from __future__ import annotations

import numpy as np
import pytest

from ovseg.evaluation.calibration import CalibrationCounts, calibration_counts
from ovseg.evaluation.metrics import VOID


def test_error_by_hand():
    # Ten pixels at 0.75, six right: gap 0.15. Ten at 0.25, five right: gap 0.25. Weighted: 0.2.
    truth = np.zeros((2, 10), np.uint8)
    prediction = truth.copy()
    prediction[0, 6:] = 1
    prediction[1, 5:] = 1
    confidence = np.repeat([[0.75], [0.25]], 10, axis=1).astype(np.float16)
    counts = calibration_counts(truth, prediction, confidence)
    assert counts.error() == pytest.approx(0.2)
    assert [(p["pixels"], p["confidence"], p["accuracy"]) for p in counts.curve()] == [
        (10, 0.25, 0.5),
        (10, 0.75, 0.6),
    ]


def test_error_equals_a_loop_over_bins():
    generator = np.random.default_rng(3)
    truth, prediction = generator.integers(0, 3, (2, 50, 40)).astype(np.uint8)
    confidence = generator.random((50, 40)).astype(np.float16)
    expected = 0.0
    wide = confidence.astype(float)
    for b in range(15):
        inside = (wide >= b / 15) & ((wide < (b + 1) / 15) | (b == 14))
        if inside.any():
            gap = abs((truth == prediction)[inside].mean() - wide[inside].mean())
            expected += inside.mean() * gap
    assert calibration_counts(truth, prediction, confidence).error() == pytest.approx(expected, abs=1e-12)


def test_perfect_confidence_has_no_error():
    truth = np.zeros((4, 4), np.uint8)
    assert calibration_counts(truth, truth, np.ones((4, 4), np.float16)).error() == 0


def test_void_and_no_answer_are_left_out():
    truth = np.array([[0, VOID, 0]], np.uint8)
    prediction = np.array([[0, 0, VOID]], np.uint8)
    counts = calibration_counts(truth, prediction, np.ones((1, 3), np.float16))
    assert counts.pixels.sum() == 1


def test_counts_add_exactly_in_any_order():
    generator = np.random.default_rng(1)
    parts = []
    for _ in range(5):
        truth = generator.integers(0, 2, (30, 30)).astype(np.uint8)
        parts.append(calibration_counts(truth, truth, generator.random((30, 30)).astype(np.float16)))
    forward = sum(parts, CalibrationCounts.zero())
    backward = sum(reversed(parts), CalibrationCounts.zero())
    assert forward.error() == backward.error()


def test_nothing_counted_has_no_error():
    assert np.isnan(CalibrationCounts.zero().error())


def test_confidence_out_of_range_is_refused():
    zeros = np.zeros((1, 1), np.uint8)
    for value in (1.5, -0.1, np.nan):
        with pytest.raises(ValueError, match="not in"):
            calibration_counts(zeros, zeros, np.full((1, 1), value, np.float16))
