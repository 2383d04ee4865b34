"""Crops of an image say what it shows beside the whole of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fake_encoders import fake_encoders
from hypothesis import given
from hypothesis import strategies as st

from ovseg.config import SegmentConfig
from ovseg.errors import ConfigError
from ovseg.matching.text_scores import multi_crop_scores
from ovseg.pipeline.encode import encode_image
from ovseg.pipeline.segmenter import Segmenter
from ovseg.pipeline.timer import Timer
from ovseg.pipeline.windows import crop_boxes
from ovseg.vocabulary import Vocabulary, parse_classes


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 5))
def test_crops_of_a_scale_cover_the_image_and_none_is_empty(height, width, most):
    boxes = crop_boxes(height, width, most)
    assert len(boxes) == sum(scale**2 for scale in range(2, most + 1))
    start = 0
    for scale in range(2, most + 1):
        seen = np.zeros((height, width), int)
        for rows, columns in boxes[start : start + scale**2]:
            assert seen[rows, columns].size
            seen[rows, columns] += 1
        start += scale**2
        assert (seen >= 1).all()
        if min(height, width) >= scale:
            assert (seen == 1).all()


def test_a_class_is_where_a_crop_shows_it_best_and_scales_count_alike():
    whole = torch.tensor([0.8, 0.1, 0.1])
    crops = torch.tensor([[0.9, 0.05, 0.05]] * 3 + [[0.1, 0.8, 0.1]] + [[0.6, 0.2, 0.2]] * 9)
    expected = (whole + torch.tensor([0.9, 0.8, 0.1]) + torch.tensor([0.6, 0.2, 0.2])) / 3
    torch.testing.assert_close(multi_crop_scores(whole, crops), expected / expected.sum())
    torch.testing.assert_close(multi_crop_scores(whole, crops[:0]), whole)


def corner() -> np.ndarray:
    """All of a tomato's colour, but a ninth of a whale's."""
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[..., 0] = 255
    pixels[64:, 64:] = (0, 0, 255)
    return pixels


def test_a_small_thing_is_kept_by_the_filter_that_sees_crops():
    vocabulary = Vocabulary(parse_classes(["tomato", "frog", "whale"]), has_background=False)
    found = {}
    for crops in (1, 3):
        config = SegmentConfig().with_settings(image_size=96, refine="none", category_top_p=0.9, crops=crops)
        found[crops] = Segmenter(fake_encoders(), config).segment(corner(), vocabulary).labels
    assert set(np.unique(found[1])) == {1}
    assert set(np.unique(found[3])) == {1, 3}
    assert found[3][80, 80] == 3
    assert found[3][10, 10] == 1


def test_crops_are_kept_and_belong_to_what_decides_an_encoding(tmp_path):
    encoders, pixels = fake_encoders(), corner()
    config = SegmentConfig().with_settings(image_size=96, crops=2)
    expected = encode_image(pixels, encoders, config.encoding, Timer(encoders.device)).crop_features
    assert expected.shape == (4, 3)
    for settings, crops in (
        (config, expected),
        (SegmentConfig().with_settings(image_size=96), expected[:0, :0]),
    ):
        for _ in range(2):
            segmenter = Segmenter(encoders, settings)
            segmenter.keep_encodings(tmp_path)
            torch.testing.assert_close(segmenter.encode(pixels).crop_features, crops)


@pytest.mark.parametrize(
    "wrong", [{"crops": 0}, {"crops": 7}, {"scales": (8,)}, {"window": (100, 0)}, {"window": (100, 101)}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SegmentConfig().with_settings(**wrong)
