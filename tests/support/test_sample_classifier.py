"""What a picture shows, and whether it came before."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from diffusion_doubles import COLOURS, ColourNames, picture

from ovseg.images.perceptual import likeness, thumbnail
from ovseg.support.sample_classifier import SampleClassifier
from ovseg.vocabulary import ClassSpec


@pytest.fixture(scope="module")
def sample_classifier():
    return SampleClassifier(ColourNames(), [ClassSpec("tomato"), ClassSpec("frog")], torch.device("cpu"))


def test_a_picture_of_its_class(sample_classifier):
    prediction = sample_classifier.sample_classifier(picture(COLOURS["tomato"], 0), "tomato")
    assert prediction.rank == 1
    assert prediction.margin > 1


def test_a_picture_of_another_class(sample_classifier):
    prediction = sample_classifier.sample_classifier(picture(COLOURS["frog"], 0), "tomato")
    assert prediction.rank > 1
    assert prediction.rival == "frog"
    assert prediction.margin < -1


def test_a_picture_of_something_else(sample_classifier):
    prediction = sample_classifier.sample_classifier(np.full((8, 8, 3), 128, np.uint8), "tomato")
    assert prediction.margin < -1
    assert prediction.rival not in ("tomato", "frog")


def test_the_margin_by_hand(sample_classifier):
    # Halfway between tomato and frog, on the line between their colours: both fit alike.
    half = np.full((8, 8, 3), (128, 128, 0), np.uint8)
    a, b = (
        sample_classifier.sample_classifier(half, "tomato"),
        sample_classifier.sample_classifier(half, "frog"),
    )
    assert a.margin == pytest.approx(b.margin, abs=1e-4)
    # Squared distances: to its own colour 0.502 ** 2 + 0.498 ** 2, to grey 3 / 4 of about 1; times -10.
    own, grey = -10 * (0.498**2 + 0.502**2), -10 * (0.002**2 * 2 + 0.5**2)
    words = sample_classifier._head.colours
    prompts = sum(1 for colour in words.tolist() if colour == [1.0, 0.0, 0.0])
    assert prompts == 1
    assert a.margin == pytest.approx(
        own - grey - math.log(_most_prompts_of_a_grey_word(sample_classifier)), abs=1e-3
    )
    assert a.rival not in ("tomato", "frog")


def _most_prompts_of_a_grey_word(sample_classifier: SampleClassifier) -> int:
    counts = torch.bincount(sample_classifier._table.owners)
    counts[[sample_classifier._index["tomato"], sample_classifier._index["frog"]]] = 0
    return int(counts.max())


def test_thumbnails_are_alike_for_copies_only():
    one, other = picture(COLOURS["frog"], 1), picture(COLOURS["frog"], 2)
    assert likeness(thumbnail(one), thumbnail(one)) == pytest.approx(1)
    brighter = np.clip(one.astype(int) + 10, 0, 255).astype(np.uint8)
    assert likeness(thumbnail(one), thumbnail(brighter)) > 0.98
    even = thumbnail(np.full((9, 7, 3), 90, np.uint8))
    assert not even.any()
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(2))
    assert abs(likeness(thumbnail(a), thumbnail(b))) < 0.2
    assert likeness(thumbnail(one), thumbnail(other)) < 0.5  # the colour alone makes no duplicate
