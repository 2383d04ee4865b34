from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ovseg.outputs import resampling
from ovseg.outputs.resampling import nearest_index, nearest_starts, upscaled_bands

SIDES = st.integers(1, 40)


def test_pixels_take_the_cell_under_their_centre() -> None:
    assert nearest_index(5, 2).tolist() == [0, 0, 1, 1, 1]  # centres at 0.2 0.6 1.0 1.4 1.8
    assert nearest_index(3, 3).tolist() == [0, 1, 2]
    assert nearest_starts(5, 2).tolist() == [0, 2, 5]


@given(length=SIDES, cells=SIDES)
def test_starts_bound_the_pixels_of_each_cell(length: int, cells: int) -> None:
    index, starts = nearest_index(length, cells), nearest_starts(length, cells)
    for cell in range(cells):
        assert (index[starts[cell] : starts[cell + 1]] == cell).all()
    assert starts[0] == 0
    assert starts[-1] == length


@given(h=SIDES, w=SIDES, factor=st.integers(1, 4), seed=st.integers(0, 99))
def test_agrees_with_pillow(h: int, w: int, factor: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 5, (h, w), np.uint8)
    size = (h * factor, w * factor)
    expected = np.asarray(Image.fromarray(labels).resize((size[1], size[0]), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(np.concatenate(list(upscaled_bands(labels, size))), expected)


def test_bands_are_small_and_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "BAND_PIXELS", 20)
    labels = np.arange(6, dtype=np.uint16).reshape(3, 2)
    bands = list(upscaled_bands(labels, (9, 8)))
    assert [band.shape for band in bands] == [(2, 8)] * 4 + [(1, 8)]
    np.testing.assert_array_equal(np.concatenate(bands), np.kron(labels, np.ones((3, 4), np.uint16)))
