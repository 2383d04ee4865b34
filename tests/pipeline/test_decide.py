"""Text, banks and region pooling together, with encoders of colours and one patch that strays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_encoders import fake_encoders
from support_photos import photo
from test_segmenter_bank import BOXES, CONFIG, bank, things  # noqa: F401

from ovseg.config import RegionPoolingConfig, SegmentConfig
from ovseg.images import load_image
from ovseg.matching.encoded_image import EncodedImage
from ovseg.pipeline import Segmenter
from ovseg.pipeline.decide import image_regions, patch_scores
from ovseg.pipeline.explain import SupportPhotos, explain_image

ALONE = CONFIG.with_settings(affinity_scale=0.0, segments=2)
VOTING = ALONE.with_settings(region_weight=0.9)
STRAY = 3 * 12 + 7
"""A patch in the middle of the frog's square, on a grid of 8 by 12."""
RED = torch.tensor([0.9, 0.08, 0.08])


@pytest.fixture
def pixels(tmp_path: Path) -> np.ndarray:
    return load_image(photo(tmp_path / "a.png", "frog", BOXES["frog"])).pixels


def strayed(segmenter: Segmenter, pixels: np.ndarray) -> EncodedImage:
    """The photo of a frog, one patch of which looks like a tomato, to the names as well as to a bank."""
    encoded = segmenter.encode(pixels)
    text = encoded.text_features.clone()
    text[STRAY] = RED
    visual = {name: values.clone() for name, values in encoded.prototype_features.items()}
    for name, values in visual.items():
        values[STRAY] = torch.nn.functional.normalize(RED - (0.4 if name == "colours" else 0.0), dim=0)
    return replace(encoded, text_features=text, prototype_features=visual)


def labels_of(segmenter: Segmenter, encoded: EncodedImage, config: SegmentConfig) -> torch.Tensor:
    classifier = segmenter.classifier_for(things("tomato", "frog"))
    scores = patch_scores(encoded, classifier, config, segmenter.bank)
    assert torch.allclose(scores.sum(dim=1), torch.ones(len(scores)), atol=1e-5)
    return scores.argmax(dim=1)


def test_regions_are_those_of_the_picture(pixels: np.ndarray) -> None:
    encoded = Segmenter(fake_encoders(), ALONE).encode(pixels)
    regions = image_regions(encoded, ALONE.region_pooling).reshape(encoded.grid)
    square = torch.zeros(encoded.grid, dtype=torch.int64)
    left, top, right, bottom = (side // 8 for side in BOXES["frog"])
    square[top:bottom, left:right] = 1
    assert torch.equal(regions, square)
    assert torch.equal(image_regions(encoded, RegionPoolingConfig(segments=0)).reshape(encoded.grid), square)


def test_names_alone_are_outvoted(pixels: np.ndarray) -> None:
    segmenter = Segmenter(fake_encoders(), ALONE)
    encoded = strayed(segmenter, pixels)
    alone = labels_of(segmenter, encoded, ALONE)
    voted = labels_of(segmenter, encoded, VOTING)
    assert (int(alone[STRAY]), int(voted[STRAY])) == (1, 2)
    assert (alone != voted).sum() == 1


@pytest.mark.parametrize("text", [True, False])
def test_with_a_bank_the_winner_is_of_the_class_that_won_the_vote(
    bank: Path,  # noqa: F811
    pixels: np.ndarray,
    text: bool,
) -> None:
    segmenter = Segmenter(fake_encoders(), ALONE, bank=bank)
    assert segmenter.bank is not None
    encoded = strayed(segmenter, pixels)
    classifier = segmenter.classifier_for(things("tomato", "green frog"))
    table = segmenter.bank.bank.tables["colours"]
    found = {}
    for config in (ALONE, VOTING):
        chosen = config.with_settings(text_with_bank=text)
        scores = patch_scores(encoded, classifier, chosen, segmenter.bank)
        labels = scores.argmax(dim=1) - 1
        nearest = segmenter.bank.nearest_prototypes(encoded, classifier.vocabulary, labels)
        row = int(nearest["colours"][0][STRAY])
        found[config.region_pooling.region_weight] = (int(scores[STRAY].argmax()), int(table.classes[row]))
        assert table.foreground[row]
    assert found == {0.0: (1, 0), 0.9: (2, 1)}


def test_the_page_shows_support_of_the_class_that_won_the_vote(
    bank: Path,  # noqa: F811
    pixels: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = {}
    for config in (ALONE, VOTING):
        segmenter = Segmenter(fake_encoders(), config, bank=bank)
        assert segmenter.bank is not None
        encoded = strayed(segmenter, pixels)
        monkeypatch.setattr(segmenter, "encode", lambda _, found=encoded: found)
        words = things("tomato", "green frog")
        regions, explained = explain_image(segmenter, pixels, words, SupportPhotos(segmenter.bank.bank))
        region = explained[int(regions.reshape(-1)[STRAY])]
        shown[config.region_pooling.region_weight] = region.class_name
        assert {match.class_name for match in region.support} == {region.class_name}
    assert shown == {0.0: "tomato", 0.9: "green frog"}


def test_votes_reach_the_label_map(pixels: np.ndarray) -> None:
    for config, label in ((ALONE, 1), (VOTING, 2)):
        segmenter = Segmenter(fake_encoders(), config)
        encoded = strayed(segmenter, pixels)
        result = segmenter.decide(encoded, pixels, things("tomato", "frog"))
        assert result.labels[3 * 8 + 4, 7 * 8 + 4] == label
