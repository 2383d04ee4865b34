from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_encoders import fake_encoders
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ovseg.config import SegmentConfig
from ovseg.errors import InputError, UnknownName, UsageError
from ovseg.pipeline import Segmenter
from ovseg.vocabulary import ClassSpec, Vocabulary

CONFIG = SegmentConfig().with_settings(image_size=96, max_patches=400, refine_side=64)


def things(*names: str, has_background: bool = True) -> Vocabulary:
    return Vocabulary(tuple(ClassSpec(n, kind="thing") for n in names), has_background=has_background)


VOCABULARY = things("tomato", "whale")


def make(decoder: bool = True, **options) -> Segmenter:
    return Segmenter(fake_encoders(decoder=decoder), CONFIG.with_settings(**options))


def picture(height: int = 60, width: int = 90) -> np.ndarray:
    """Red, grey and blue columns of equal width."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    pixels[:, : width // 3] = (255, 0, 0)
    pixels[:, 2 * width // 3 :] = (0, 0, 255)
    return pixels


@pytest.mark.parametrize("refine", ["none", "pamr"])
@pytest.mark.parametrize("decoder", [True, False])
def test_each_colour_gets_its_name_and_grey_is_background(decoder, refine):
    result = make(decoder, refine=refine).segment(picture(), VOCABULARY)
    expected = np.repeat([[1, 0, 2]], 60, axis=0).repeat(30, axis=1)
    assert result.labels.dtype == np.uint8
    assert (result.labels == expected).mean() > 0.95
    assert result.names == ("background", "tomato", "whale")
    assert result.confidence[30, 10] > 0.5
    assert result.scores is None


def test_labels_follow_the_order_of_the_names():
    result = make().segment(picture(), things("whale", "frog", "tomato"))
    assert result.labels[30, 10] == 3
    assert result.labels[30, 80] == 1
    assert not (result.labels == 2).any()


def test_without_background_every_pixel_has_a_name():
    result = make().segment(picture(), VOCABULARY.without_background())
    assert set(np.unique(result.labels)) == {1, 2}


def test_scores_are_kept_on_request():
    result = make(keep_scores=True).segment(picture(), VOCABULARY)
    assert result.scores.dtype == np.float16
    assert result.scores.shape == (3, 12, 18)
    np.testing.assert_allclose(result.scores.astype(np.float32).sum(0), 1, atol=3e-3)
    assert result.scores.argmax(0)[6].tolist()[1::5] == [1, 0, 0, 2]


def test_who_is_not_sure_abstains():
    plain = make().segment(picture(), VOCABULARY)
    careful = make(abstain=0.8).segment(picture(), VOCABULARY)
    unsure = plain.confidence < 0.8
    assert 0 < unsure.mean() < 1
    assert (careful.labels[unsure] == careful.void).all()
    assert (careful.labels[~unsure] == plain.labels[~unsure]).all()


def test_one_encoding_serves_many_decisions():
    segmenter = make()
    encoded = segmenter.encode(picture())
    seen = len(segmenter.encoders.image_text.images)
    assert seen == 3  # two sides of dense features and the whole
    for names in (("tomato", "whale"), ("frog",), ("whale", "tomato")):
        found = segmenter.decide(encoded, picture(), things(*names))
        alone = make().segment(picture(), things(*names))
        np.testing.assert_array_equal(found.labels, alone.labels)
        np.testing.assert_array_equal(found.confidence, alone.confidence)
    assert len(segmenter.encoders.image_text.images) == seen


def test_a_vocabulary_is_prepared_once():
    segmenter = make()
    segmenter.segment_batch([picture(), picture()], VOCABULARY)
    segmenter.segment(picture(), replace(VOCABULARY, source="elsewhere"))
    assert segmenter.encoders.image_text.heads == 1
    segmenter.segment(picture(), VOCABULARY.without_background())
    assert segmenter.encoders.image_text.heads == 2


def test_the_vocabularies_that_are_kept_ready_are_bounded():
    segmenter = make()
    for number in range(20):
        segmenter.classifier_for(things(f"thing {number}"))
    assert len(segmenter._classifiers) == 16
    made = segmenter.encoders.image_text.heads
    segmenter.classifier_for(things("thing 19"))
    assert segmenter.encoders.image_text.heads == made
    segmenter.classifier_for(things("thing 0"))
    assert segmenter.encoders.image_text.heads == made + 1


def test_a_batch_is_its_images_one_by_one():
    images = [picture(), picture(31, 47), np.ascontiguousarray(picture(90, 60)[:, ::-1])]
    at_once = make(keep_scores=True).segment_batch(images, VOCABULARY)
    for pixels, found in zip(images, at_once, strict=True):
        alone = make(keep_scores=True).segment(pixels, VOCABULARY)
        assert found.labels.shape == pixels.shape[:2]
        for name in ("labels", "confidence", "scores"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
    assert make().segment_batch([], VOCABULARY) == []


def test_a_path_an_image_and_pixels_are_the_same(tmp_path: Path):
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    expected = make().segment(picture(), ["tomato", "whale"]).labels
    for image in (tmp_path / "photo.png", str(tmp_path / "photo.png"), Image.fromarray(picture())):
        np.testing.assert_array_equal(make().segment(image, ["tomato, whale"]).labels, expected)


def test_pixels_are_not_changed():
    pixels = picture()
    make().segment(pixels, VOCABULARY)
    np.testing.assert_array_equal(pixels, picture())


def test_what_cannot_be_segmented(tmp_path: Path):
    segmenter = make()
    (tmp_path / "text.jpg").write_text("not an image")
    with pytest.raises(InputError):
        segmenter.segment(tmp_path / "text.jpg", ["cat"])
    with pytest.raises(UsageError, match="no classes given"):
        segmenter.segment(picture(), [])
    with pytest.raises(UsageError, match="class 'Cat' is given twice"):
        segmenter.segment(picture(), ["cat", "Cat"])
    with pytest.raises(InputError, match="divide by 255"):
        segmenter.segment(picture().astype(np.float32), ["cat"])


def test_an_encoder_that_names_no_sizes_is_a_bug():
    segmenter = make()
    segmenter.encoders.image_text.dense_scales = ()
    with pytest.raises(ValueError, match="encoder ColourNames names no sizes for dense features"):
        segmenter.encode(picture())


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_any_image_has_a_label_for_every_pixel(height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    result = make().segment(pixels, VOCABULARY)
    assert result.labels.shape == result.confidence.shape == (height, width)
    assert result.labels.max() <= 2
    assert np.isfinite(result.confidence).all()


def test_what_stands_in_run_json():
    segmenter = Segmenter(fake_encoders(), CONFIG, note="preset fake")
    about = segmenter.describe()
    assert about == {
        "preset": "fake",
        "device": "cpu",
        "weights": [],
        "note": "preset fake",
        "config": CONFIG.to_dict(),
    }
    assert segmenter.preset == "fake"


def test_seconds_of_the_encoders_add_up():
    segmenter = make()
    assert segmenter.encoder_seconds == 0
    segmenter.segment(picture(), VOCABULARY)
    first = segmenter.encoder_seconds
    assert first > 0
    segmenter.segment(picture(), VOCABULARY)
    assert segmenter.encoder_seconds > first


def test_presets_and_devices_are_checked_before_anything_is_loaded():
    with pytest.raises(UnknownName, match="unknown preset 'offlin'"):
        Segmenter("offlin", device="cpu")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        Segmenter("offline", device="tpu")
