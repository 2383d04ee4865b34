from __future__ import annotations

import numpy as np

from ovseg.outputs.palette import hex_colour, voc_palette


def test_first_colours_are_the_ones_of_pascal_voc() -> None:
    assert voc_palette()[:6].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [128, 0, 128],
    ]  # fmt: skip
    assert voc_palette()[20].tolist() == [0, 64, 128]
    assert voc_palette()[255].tolist() == [224, 224, 192]


def test_colours_never_repeat_even_past_8_bits() -> None:
    assert len(np.unique(voc_palette(5000), axis=0)) == 5000


def test_hex_colours_are_those_of_the_palette() -> None:
    assert hex_colour(15) == "#c08080"
