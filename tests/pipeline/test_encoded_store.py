"""Encoded images on disk: the same answers, made anew whenever anything differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_encoders import ColourNames, fake_encoders

from ovseg.config import SegmentConfig
from ovseg.pipeline.encode import encode_image
from ovseg.pipeline.encoded_store import EncodedStore
from ovseg.pipeline.stopwatch import Stopwatch

CONFIG = SegmentConfig(image_size=64)
PIXELS = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def encodings(store: EncodedStore, pixels: np.ndarray = PIXELS, name: str = "a") -> int:
    """How many images the encoder saw while one was asked for."""
    names = store._encoders.names
    assert isinstance(names, ColourNames)
    before = len(names.images)
    store.get(name, pixels)
    return len(names.images) - before


@pytest.mark.parametrize("decoder", [True, False])
def test_what_is_kept_is_what_was_encoded(tmp_path: Path, decoder: bool) -> None:
    encoders = fake_encoders(decoder=decoder)
    store = EncodedStore(tmp_path, encoders, CONFIG, encoders.spaces)
    made = encode_image(PIXELS, encoders, CONFIG, Stopwatch(encoders.device), spaces=encoders.spaces)
    for found in (store.get("a", PIXELS), store.get("a", PIXELS)):
        assert found.grid == made.grid
        assert set(found.visual) == {"colours", "words"}
        for name in ("text", "whole", "tokens"):
            torch.testing.assert_close(getattr(found, name), getattr(made, name), atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(found.looks.colour, made.looks.colour)
        assert (found.foreground is None) == (not decoder)


def test_an_image_is_encoded_once(tmp_path: Path) -> None:
    encoders = fake_encoders()
    store = EncodedStore(tmp_path, encoders, CONFIG, encoders.spaces)
    assert encodings(store) > 0
    assert encodings(store) == 0
    assert encodings(EncodedStore(tmp_path, encoders, CONFIG, encoders.spaces)) == 0
    assert encodings(store, name="b") > 0


def test_other_pixels_settings_spaces_and_damage_make_it_anew(tmp_path: Path) -> None:
    encoders = fake_encoders()
    store = EncodedStore(tmp_path, encoders, CONFIG, encoders.spaces)
    store.get("a", PIXELS)
    assert encodings(store, PIXELS[::-1].copy()) > 0
    assert encodings(store) > 0
    assert encodings(EncodedStore(tmp_path, encoders, replace(CONFIG, image_size=72), encoders.spaces)) > 0
    assert encodings(EncodedStore(tmp_path, encoders, CONFIG, encoders.spaces[:1])) > 0
    # How scores become labels has no part in an encoding.
    assert encodings(EncodedStore(tmp_path, encoders, replace(CONFIG, gate=0.1), encoders.spaces[:1])) == 0
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert encodings(store) > 0
