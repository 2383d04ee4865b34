"""A label map as a picture to lay over the photo: translucent classes, thin white lines with a dark rim.

Made once, used twice: the overlay flattens it onto the photo, the report lays it over the photo in the page.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.outputs.palette import voc_palette

__all__ = ["label_layer"]

FILL = 130
"""Opacity of a class, of 255: the colour can be told and the photo still be read."""
LINE = 235
RIM = 120
_SHOWN = 253  # colours left beside the line and the rim
_LINE, _RIM = 254, 255


def label_layer(labels: npt.NDArray[Any], size: tuple[int, int], *, line: int = 1) -> Image.Image:
    """Draw a label map.

    Args:
        labels: (h, w) uint8 or uint16; 0, the background, stays clear.
        size: (H, W) of the picture; labels are resampled by nearest neighbour.
        line: Width of the boundaries in pixels, 1 or 2.

    Returns:
        (H, W) image of mode P with an opacity for each colour. Of more than 252 labels it shows the most
        frequent ones.
    """
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    shown = np.flatnonzero(counts)
    if len(shown) >= _SHOWN:
        shown = np.sort(np.argsort(-counts, kind="stable")[: _SHOWN - 1])
    local = np.zeros(len(counts), np.uint8)
    local[shown] = np.arange(1, len(shown) + 1)
    picture = Image.fromarray(local[labels]).resize((size[1], size[0]), Image.Resampling.NEAREST)
    pixels = np.array(picture)
    edges = _edges(pixels, both_sides=line > 1)
    pixels[_grown(edges)] = _RIM
    pixels[edges] = _LINE

    colours = np.zeros((256, 3), np.uint8)
    colours[1 : len(shown) + 1] = voc_palette(len(counts))[shown]
    colours[_LINE] = 255
    opacity = np.zeros(256, np.uint8)
    opacity[1 : len(shown) + 1] = FILL
    opacity[_LINE], opacity[_RIM] = LINE, RIM
    picture = Image.fromarray(pixels)
    picture.putpalette(colours.tobytes())
    picture.info["transparency"] = opacity.tobytes()
    return picture


def _edges(labels: npt.NDArray[np.uint8], *, both_sides: bool) -> npt.NDArray[np.bool_]:
    """Pixels whose right or lower (or any) neighbour has another label."""
    across = labels[:, 1:] != labels[:, :-1]
    down = labels[1:] != labels[:-1]
    edges = np.zeros(labels.shape, np.bool_)
    edges[:, :-1] = across
    edges[:-1] |= down
    if both_sides:
        edges[:, 1:] |= across
        edges[1:] |= down
    return edges


def _grown(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """``mask`` and the four neighbours of each of its pixels."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown
