"""The whole path with the offline preset's real weights, on photographs that scikit-image ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from ovseg.pipeline import Segmenter

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def segmenter(offline) -> Segmenter:
    return Segmenter(offline)


def test_the_preset_by_its_name_finds_the_cat(offline_cache: Path):
    segmenter = Segmenter("offline", device="cpu", cache_dir=offline_cache)
    result = segmenter.segment(data.chelsea(), ["cat", "dog"])
    shares = result.shares()
    assert max(shares, key=shares.get) == 1
    assert 2 not in shares
    assert result.labels[150, 225] == 1
    about = segmenter.describe()
    assert about["preset"] == "offline"
    assert {len(weights["sha256"]) for weights in about["weights"]} == {64}


@pytest.mark.slow
def test_coffee_is_on_the_table_and_there_is_no_dog(segmenter):
    result = segmenter.segment(data.coffee(), ["coffee", "dog", "car"])
    shares = result.shares()
    assert 0.1 < shares[1] < 0.6
    assert shares.get(2, 0) + shares.get(3, 0) < 0.02
    assert result.labels[200, 300] == 1


@pytest.mark.slow
def test_the_astronaut_is_a_person(segmenter):
    result = segmenter.segment(data.astronaut(), ["person", "cat"])
    assert result.shares().get(2, 0) < 0.02
    assert (result.labels[60:180, 190:260] == 1).mean() > 0.5


@pytest.mark.slow
def test_the_sky_above_a_rocket_is_sky(segmenter):
    result = segmenter.segment(data.rocket(), ["rocket", "sky"])
    assert (result.labels[:100] == 2).mean() > 0.7


@pytest.mark.parametrize("size", [(1, 1), (3, 500), pytest.param((500, 3), marks=pytest.mark.slow)])
def test_odd_sizes_have_answers(segmenter, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    result = segmenter.segment(pixels, ["cat", "sky"])
    assert result.labels.shape == size
    assert np.isfinite(result.confidence).all()


def test_500_classes_work_and_the_cat_is_still_found(offline):
    names = ["cat", *(f"machine part number {i}" for i in range(499))]
    segmenter = Segmenter(offline, replace(Segmenter(offline).config, keep_scores=True))
    result = segmenter.segment(data.chelsea(), names)
    assert result.labels.dtype == np.uint16
    assert result.labels[150, 225] == 1
    assert result.scores.shape[0] == 501
    assert np.isfinite(result.scores).all()


@pytest.mark.slow
def test_the_same_image_gives_the_same_answer(segmenter):
    first, again = (segmenter.segment(data.chelsea(), ["cat"]) for _ in range(2))
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.confidence, again.confidence)
