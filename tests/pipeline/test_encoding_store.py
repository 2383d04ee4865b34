"""Encoded images on disk: the same answers, made anew whenever anything differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fake_encoders import ColourNames, fake_encoders

from ovseg.config import SegmentConfig
from ovseg.encoders.presets import Preset
from ovseg.matching.encoded_image import EncodedImage
from ovseg.pipeline import Segmenter
from ovseg.pipeline.encode import encode_image
from ovseg.pipeline.encoding_store import EncodingStore
from ovseg.pipeline.timer import Timer

CONFIG = SegmentConfig().with_settings(image_size=64)
PIXELS = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def keeper(folder: Path, encoders: Preset, config: SegmentConfig = CONFIG) -> Segmenter:
    found = Segmenter(encoders, config)
    found.keep_encodings(folder)
    return found


def encodings(keeper: Segmenter, pixels: np.ndarray = PIXELS) -> int:
    """How many images the encoder saw while one was asked for."""
    names = keeper.encoders.image_text
    assert isinstance(names, ColourNames)
    before = len(names.images)
    keeper.encode(pixels)
    return len(names.images) - before


def encoded(encoders: Preset) -> EncodedImage:
    return encode_image(PIXELS, encoders, CONFIG.encoding, Timer(encoders.device), spaces=encoders.spaces)


@pytest.mark.parametrize("decoder", [True, False])
def test_what_is_kept_is_what_was_encoded(tmp_path: Path, decoder: bool) -> None:
    encoders = fake_encoders(decoder=decoder)
    store = EncodingStore(tmp_path, "encoders", 20.0)
    made = encoded(encoders)
    kept = store.put("image", made)
    again = store.get("image", encoders.device)
    assert again is not None
    for found in (kept, again):
        assert found.grid == made.grid
        assert set(found.prototype_features) == {"colours", "words"}
        for name in ("text_features", "image_features", "tokens"):
            torch.testing.assert_close(getattr(found, name), getattr(made, name), atol=1e-3, rtol=1e-3)
            assert torch.equal(getattr(kept, name), getattr(again, name))
        torch.testing.assert_close(found.appearance.colour, made.appearance.colour)
        assert (found.foreground is None) == (not decoder)


def test_an_image_is_encoded_once(tmp_path: Path) -> None:
    encoders = fake_encoders()
    assert encodings(keeper(tmp_path, encoders)) > 0
    assert encodings(keeper(tmp_path, encoders)) == 0
    assert encodings(keeper(tmp_path, encoders), PIXELS[::-1].copy()) > 0


def test_other_settings_and_damage_make_it_anew(tmp_path: Path) -> None:
    encoders = fake_encoders()
    keeper(tmp_path, encoders).encode(PIXELS)
    [path] = tmp_path.iterdir()
    assert encodings(keeper(tmp_path, encoders, CONFIG.with_settings(image_size=72))) > 0
    # How scores become labels has no part in an encoding.
    assert encodings(keeper(tmp_path, encoders, CONFIG.with_settings(image_gate=0.1))) == 0
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], b""):
        path.write_bytes(damaged)
        assert encodings(keeper(tmp_path, encoders)) > 0
        assert path.read_bytes() == whole


def test_a_file_under_the_name_of_another_image_does_not_count(tmp_path: Path) -> None:
    encoders = fake_encoders()
    store = EncodingStore(tmp_path, "encoders", 20.0)
    store.put("image", encoded(encoders))
    [path] = tmp_path.iterdir()
    other = EncodingStore(tmp_path, "others", 20.0)
    other.put("image", encoded(encoders))
    [second] = set(tmp_path.iterdir()) - {path}
    path.replace(second)
    assert other.get("image", encoders.device) is None


def test_no_more_is_kept_than_the_limit(tmp_path: Path) -> None:
    encoders = fake_encoders()
    store = EncodingStore(tmp_path / "a", "e", 20.0)
    store.put("one", encoded(encoders))
    size = sum(path.stat().st_size for path in store.folder.iterdir())
    small = EncodingStore(tmp_path / "b", "e", 20.0, most_bytes=size + size // 2)
    small.put("one", encoded(encoders))
    small.put("two", encoded(encoders))
    # What is there already takes no room twice.
    small.put("one", encoded(encoders))
    assert len(list(small.folder.iterdir())) == 1
    assert small.get("two", encoders.device) is None
    assert EncodingStore(tmp_path / "b", "e", 20.0, most_bytes=size).get("one", encoders.device) is not None
