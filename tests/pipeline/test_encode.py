from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_encoders import fake_encoders
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg.config import EncodingConfig
from ovseg.encoders.base import FeatureSpace
from ovseg.encoders.context import LoadContext
from ovseg.encoders.presets import Preset
from ovseg.pipeline.encode import backbone_size, encode_image, encode_images
from ovseg.pipeline.timer import Timer

CONFIG = EncodingConfig()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ((448, 448), (448, 448)),
        ((1, 1), (448, 448)),
        ((3000, 3000), (448, 448)),
        ((480, 640), (448, 602)),  # 32 by 42.7 patches
        ((640, 480), (602, 448)),
        # 2400 patches hold no more than a strip of 2400 by one.
        ((1, 20000), (14, 33600)),
        ((20000, 1), (33600, 14)),
        # 10 : 1: 448 by 4480 pixels would be 10240 patches; 15.5 by 155 patches are 2400, and 15 rows leave
        # 155.
        ((100, 1000), (14 * 15, 14 * 155)),
    ],
)
def test_sizes_for_the_shape_encoder(image, expected):
    assert backbone_size(*image, 14, CONFIG) == expected


@given(
    st.integers(1, 20000),
    st.integers(1, 20000),
    st.sampled_from([8, 14, 16]),
    st.integers(56, 1024),
    st.integers(16, 5000),
)
@settings(max_examples=300)
def test_the_grid_keeps_to_its_limit_and_to_the_shape_of_the_image(height, width, patch, side, patches):
    config = EncodingConfig(image_size=side, max_patches=patches)
    found = backbone_size(height, width, patch, config)
    assert found[0] % patch == found[1] % patch == 0
    rows, columns = found[0] // patch, found[1] // patch
    assert rows >= 1
    assert columns >= 1
    assert rows * columns <= patches
    assert (rows <= columns) == (height <= width) or rows == columns
    if height != width:
        assert backbone_size(width, height, patch, config) == found[::-1]


def stripes() -> np.ndarray:
    pixels = np.zeros((96, 192, 3), np.uint8)
    pixels[:, :96, 0] = 255
    pixels[:, 96:, 2] = 255
    return pixels


def encoded(decoder: bool = True, **options):
    encoders = fake_encoders(decoder=decoder)
    config = EncodingConfig(image_size=96, **options)
    return encode_image(stripes(), encoders, config, Timer(encoders.device)), encoders


def test_everything_lies_on_the_grid_of_the_shape_encoder():
    found, _ = encoded(affinity_scale=0)
    assert found.grid == (12, 24)
    assert found.text_features.shape == (288, 3)
    assert found.image_features.shape == (3,)
    assert found.foreground.shape == (288,)
    assert found.appearance.colour.shape == (288, 11)
    text = found.text_features.reshape(12, 24, 3)
    torch.testing.assert_close(text[:, :11], torch.tensor([1.0, 0, 0]).expand(12, 11, 3), atol=0.01, rtol=0)
    torch.testing.assert_close(text[:, 13:], torch.tensor([0, 0, 1.0]).expand(12, 11, 3), atol=0.01, rtol=0)
    torch.testing.assert_close(found.image_features, torch.tensor([0.5, 0, 0.5]), atol=0.01, rtol=0)
    torch.testing.assert_close(found.foreground, torch.ones(288), atol=0.1, rtol=0)


def test_the_names_encoder_sees_its_own_sizes():
    _, encoders = encoded()
    assert encoders.image_text.images == [(1, 3, 96, 192), (1, 3, 128, 256), (1, 3, 64, 64)]


def test_settings_may_say_other_sizes_and_windows():
    found, encoders = encoded(affinity_scale=0, scales=(64, 96, 128), window=(64, 32), crops=2)
    assert encoders.image_text.images == [
        *([(3, 3, 64, 64)]),
        *([(10, 3, 64, 64)]),
        *([(16, 3, 64, 64), (5, 3, 64, 64)]),
        (1, 3, 64, 64),
        (4, 3, 64, 64),
    ]
    text = found.text_features.reshape(12, 24, 3)
    torch.testing.assert_close(text[:, :10], torch.tensor([1.0, 0, 0]).expand(12, 10, 3), atol=0.01, rtol=0)


def test_spreading_mixes_only_cells_that_are_alike():
    plain, spread = encoded(affinity_scale=0)[0], encoded(affinity_scale=200.0)[0]
    half = torch.arange(288).reshape(12, 24)[:, 2:10].flatten()
    torch.testing.assert_close(spread.text_features[half], plain.text_features[half], atol=0.01, rtol=0)
    # Place is the same for all patches of a half once their descriptions are mixed.
    assert spread.appearance.place[half].std(0).max() < 0.01
    assert plain.appearance.place[half].std(0).max() > 0.1


def test_an_encoder_without_decoder_gives_no_foreground():
    assert encoded(decoder=False)[0].foreground is None


def photo(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def same(one, other):
    assert one.grid == other.grid
    for name in ("text_features", "image_features", "foreground", "tokens"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), atol=1e-5, rtol=1e-5)
    for name in ("colour", "place", "texture"):
        torch.testing.assert_close(getattr(one.appearance, name), getattr(other.appearance, name))
    assert one.prototype_features.keys() == other.prototype_features.keys() == {"colours", "words", "seen"}
    for name, values in one.prototype_features.items():
        torch.testing.assert_close(values, other.prototype_features[name], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("window", [None, (64, 32)])
@pytest.mark.parametrize("guided", [False, True])
def test_images_encoded_together_are_encoded_as_each_alone(window, guided):
    encoders = fake_encoders()
    seen = FeatureSpace("seen", "prototype_backbone")
    card = replace(
        encoders.card,
        prototype_backbone=encoders.card.source("backbone"),
        spaces=(*encoders.spaces, seen),
    )
    encoders = Preset(card, LoadContext())
    encoders.image_text.window = window
    encoders.image_text.proxy_keys = ((-1, "token"),) if guided else ()
    config = EncodingConfig(image_size=96)
    # Two of one size, one that shares its windows' size, one that shares nothing.
    photos = [photo(100, 160, 0), photo(90, 230, 1), photo(100, 160, 2), photo(300, 50, 3)]
    alone = [encode_image(p, encoders, config, Timer(encoders.device), encoders.spaces) for p in photos]
    encoders.image_text.images.clear()
    at_once = encode_images(photos, encoders, config, Timer(encoders.device), encoders.spaces)
    for one, other in zip(alone, at_once, strict=True):
        same(one, other)
    assert encoders.image_text.images[-1][0] == 4, "the whole images go in one pass"
    assert max(shape[0] for shape in encoders.image_text.images[:-1]) >= 2
    assert encode_images([], encoders, config, Timer(encoders.device)) == []
