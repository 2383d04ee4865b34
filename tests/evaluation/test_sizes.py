from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg.evaluation.metrics import VOID, area_counts, confusion_matrix
from ovseg.evaluation.sizes import SIZES, size_counts


def test_components_fall_into_their_sizes():
    truth = np.zeros((200, 200), np.uint8)
    truth[0:10, 0:10] = 1  # 100 pixels: small
    truth[50:90, 0:40] = 1  # 1600: medium
    truth[100:200, 100:200] = 1  # 10000: large
    counts = size_counts(truth, truth, 2)
    assert counts.truth[:, 1].tolist() == [100, 1600, 10000]
    assert np.array_equal(counts.intersection, counts.truth)
    assert np.array_equal(counts.predicted, counts.truth)


def test_limits_are_exclusive_below():
    truth = np.zeros((200, 200), np.uint8)
    truth[0:32, 0:32] = 1
    truth[100:196, 100:196] = 2
    counts = size_counts(truth, truth, 3)
    assert counts.truth[SIZES.index("medium"), 1] == 32**2
    assert counts.truth[SIZES.index("large"), 2] == 96**2


def test_wrong_pixels_belong_to_the_size_of_what_was_predicted():
    truth = np.zeros((200, 200), np.uint8)
    prediction = truth.copy()
    prediction[0:10, 0:10] = 1
    prediction[50:90, 50:90] = 1
    assert size_counts(truth, prediction, 2).predicted[:, 1].tolist() == [100, 1600, 0]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_sizes_add_up_to_the_confusion_matrix(seed):
    generator = np.random.default_rng(seed)
    scale = np.ones((17, 17), int)
    truth, prediction = (
        np.kron(generator.choice([0, 1, 2, VOID], (8, 8)), scale).astype(np.uint8) for _ in range(2)
    )
    whole = area_counts(confusion_matrix(truth, prediction, 3))
    by_size = size_counts(truth, prediction, 3)
    for name in ("intersection", "predicted", "truth"):
        assert np.array_equal(getattr(by_size, name).sum(axis=0), getattr(whole, name))
