from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import confusion_matrix as sklearn_confusion

from ovseg.evaluation.metrics import VOID, area_counts, confusion_matrix, figures

K = 5
labels = st.sampled_from([*range(K), VOID])
maps = arrays(np.uint8, (6, 7), elements=labels)


def score(truth, prediction, classes=K):
    return figures(area_counts(confusion_matrix(truth, prediction, classes)))


def slow_reference(truth, prediction, classes):
    """Class by class over flat lists, with scikit-learn's matrix: shares no line with what is tested."""
    pairs = [
        (t, p) for t, p in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True) if t != VOID
    ]
    if not pairs:
        return [None] * classes, None, None, None
    true, predicted = zip(*pairs, strict=True)
    matrix = sklearn_confusion(true, predicted, labels=[*range(classes), VOID])
    ious, weighted = [], 0.0
    for c in range(classes):
        hit = matrix[c, c]
        union = matrix[c, :].sum() + matrix[:, c].sum() - hit
        ious.append(hit / union if union else None)
        if matrix[c, :].sum():
            weighted += matrix[c, :].sum() / len(pairs) * ious[-1]
    known = [iou for iou in ious if iou is not None]
    right = sum(t == p for t, p in pairs) / len(pairs)
    return ious, sum(known) / len(known), right, weighted


@given(maps, maps)
def test_figures_equal_an_independent_implementation(truth, prediction):
    ious, miou, right, weighted = slow_reference(truth, prediction, K)
    found = score(truth, prediction)
    for mine, theirs in zip(found.iou, ious, strict=True):
        assert (np.isnan(mine) and theirs is None) or mine == pytest.approx(theirs, abs=1e-9)
    for mine, theirs in (
        (found.miou, miou), (found.pixel_accuracy, right), (found.frequency_weighted_iou, weighted),
    ):  # fmt: skip
        assert (np.isnan(mine) and theirs is None) or mine == pytest.approx(theirs, abs=1e-9)


@given(maps)
def test_a_perfect_prediction_scores_one(truth):
    if (truth != VOID).any():
        found = score(truth, truth)
        assert found.miou == found.mean_accuracy == found.pixel_accuracy == 1
        assert found.frequency_weighted_iou == pytest.approx(1)


def test_constant_background_scores_what_hand_arithmetic_says():
    # 12 pixels: 6 background, 3 of class 1, 2 of class 2, 1 void. All predicted 0: IoU 6/11, 0, 0.
    truth = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [1, 2, 2, VOID]], np.uint8)
    found = score(truth, np.zeros_like(truth), 3)
    assert found.iou.tolist() == [6 / 11, 0, 0]
    assert found.miou == pytest.approx(6 / 33, abs=1e-15)
    assert found.pixel_accuracy == pytest.approx(6 / 11, abs=1e-15)
    assert found.mean_accuracy == pytest.approx(1 / 3, abs=1e-15)
    assert found.frequency_weighted_iou == pytest.approx((6 / 11) ** 2, abs=1e-15)


def test_a_class_in_neither_map_has_no_iou_and_one_only_predicted_has_zero():
    truth = np.array([[0, 0, 1]], np.uint8)
    found = score(truth, np.array([[0, 2, 1]], np.uint8), 4)
    assert found.iou[:3].tolist() == [0.5, 1, 0]
    assert np.isnan(found.iou[3])
    assert found.miou == pytest.approx(0.5)
    # Accuracy knows only classes that are really there.
    assert np.isnan(found.accuracy[2:]).all()
    assert found.mean_accuracy == pytest.approx(0.75)


def test_no_answer_misses_its_class_and_counts_against_no_other():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    matrix = confusion_matrix(truth, np.array([[0, VOID, 1, 1]], np.uint8), 2)
    assert matrix.tolist() == [[1, 0, 1], [0, 2, 0]]
    assert figures(area_counts(matrix)).iou.tolist() == [0.5, 1]


def test_void_truth_is_left_out_whatever_is_predicted():
    truth = np.array([[0, VOID, VOID]], np.uint8)
    assert score(truth, np.array([[0, 1, VOID]], np.uint8), 2).pixel_accuracy == 1


def test_all_void_has_no_figures():
    found = score(np.full((2, 2), VOID, np.uint8), np.zeros((2, 2), np.uint8))
    assert np.isnan(
        [found.miou, found.mean_accuracy, found.pixel_accuracy, found.frequency_weighted_iou]
    ).all()


@pytest.mark.parametrize("which", ["truth", "prediction"])
def test_an_index_beyond_the_classes_is_refused(which):
    good, bad = np.zeros((2, 2), np.uint8), np.full((2, 2), 3, np.uint8)
    pair = (bad, good) if which == "truth" else (good, bad)
    with pytest.raises(ValueError, match="index out of range"):
        confusion_matrix(*pair, 3)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="does not match"):
        confusion_matrix(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), 2)


def test_the_matrix_is_int64():
    matrix = confusion_matrix(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), 2)
    assert matrix.dtype == np.int64
