"""Objects as icon sets draw them: stored outlines, filled once, then placed by affine maps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw
from scipy import ndimage

from learned_world.names import HELD_OUT_STYLES, MORE_STYLES, TRAIN_STYLES

SIDES = (128, 64, 32)
"""Sides in pixels at which a drawing is kept; the smallest that is large enough is placed."""

GAP = 4
"""Radius in pixels, at the largest side, of the closing that makes a body of lines."""


@dataclass(frozen=True)
class Drawing:
    """One icon: what it covers, and where its ink is.

    Attributes:
        thing: What it shows.
        style: The icon set.
        body: Coverage images (mode L) of everything inside its outer contour, one a side of :data:`SIDES`.
        ink: Likewise of the ink alone.
    """

    thing: str
    style: str
    body: tuple[Image.Image, ...]
    ink: tuple[Image.Image, ...]

    @property
    def fill(self) -> float:
        """Share of its square that the body covers."""
        return float(np.asarray(self.body[-1]).mean() / 255)

    def at(self, side: float) -> tuple[Image.Image, Image.Image]:
        """Body and ink at the smallest stored side of at least ``side`` pixels, or at the largest."""
        index = max((i for i, stored in enumerate(SIDES) if stored >= side), default=0)
        return self.body[index], self.ink[index]


@cache
def _stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files("learned_world") / "data" / "outlines.json").read_text("utf-8"))
    return found


@cache
def drawings_of(thing: str, *, held_out: bool, more: bool = False) -> tuple[Drawing, ...]:
    """Drawings of a thing in the styles for training, or in those held out, in the order of the file.

    ``more`` adds :data:`~learned_world.names.MORE_STYLES` to those for training.
    """
    stored = _stored()
    wanted = HELD_OUT_STYLES if held_out else TRAIN_STYLES + (MORE_STYLES if more else ())
    return tuple(
        _filled(thing, style, polygons, stored["grid"])
        for style, icons in stored["drawings"][thing].items()
        if style in wanted
        for polygons in icons
    )


def _filled(thing: str, style: str, polygons: list[list[int]], grid: int) -> Drawing:
    """Fill the outlines (even-odd), close small gaps and take the inside of the outer contour as the body."""
    ink = Image.new("1", (grid, grid))
    for polygon in polygons:
        layer = Image.new("1", (grid, grid))
        ImageDraw.Draw(layer).polygon(polygon, fill=1)
        ink = ImageChops.logical_xor(ink, layer)
    inked = np.asarray(ink)
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    inked = inked[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longest = max(inked.shape)
    square = np.zeros((longest, longest), np.uint8)
    top, left = (longest - inked.shape[0]) // 2, (longest - inked.shape[1]) // 2
    square[top : top + inked.shape[0], left : left + inked.shape[1]] = inked * np.uint8(255)
    drawn = Image.fromarray(square).resize((SIDES[0], SIDES[0]), Image.Resampling.BOX)
    solid = np.asarray(drawn) >= 128
    # A closing by distance: icons drawn in lines leave gaps of up to two strokes.
    room = np.pad(solid, 2 * GAP)
    grown = ndimage.distance_transform_edt(~room) <= GAP
    closed = ndimage.distance_transform_edt(grown) > GAP
    body = ndimage.binary_opening(ndimage.binary_fill_holes(closed), np.ones((3, 3)))
    body = body[2 * GAP : -2 * GAP, 2 * GAP : -2 * GAP] | solid
    return Drawing(thing, style, _levels(Image.fromarray(body * np.uint8(255))), _levels(drawn))


def _levels(image: Image.Image) -> tuple[Image.Image, ...]:
    return tuple(image.resize((side, side), Image.Resampling.BOX) for side in SIDES)
