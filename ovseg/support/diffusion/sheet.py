"""Contact sheets of generated pictures: each beside its attribution, with score, seed and decision."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ovseg.support.diffusion.source import Drawn, enlarged

__all__ = ["contact_sheet", "with_attribution"]

_SIDE, _GAP, _TEXT = 128, 8, 30
_WIDTH = 1180
_INK, _REJECTED, _PAPER = (30, 30, 30), (200, 30, 30), (250, 250, 248)
_WARM = np.array([255, 60, 0], np.float32)


def with_attribution(
    pixels: npt.NDArray[np.uint8], attribution: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """A picture greyed where its attribution is low and warm where it is high.

    Args:
        pixels: (H, W, 3) uint8.
        attribution: (h, w) in [0, 1].
    """
    share = enlarged(attribution, (pixels.shape[0], pixels.shape[1]))[..., None]
    grey = pixels.astype(np.float32).mean(-1, keepdims=True).repeat(3, -1)
    shown = 0.35 * grey + 0.65 * (share * _WARM + (1 - share) * grey * 0.6)
    rounded: npt.NDArray[np.uint8] = np.round(shown).clip(0, 255).astype(np.uint8)
    return rounded


def contact_sheet(drawn: Sequence[Drawn]) -> Image.Image:
    """All pictures of a class, by seed; rejected ones are framed in red.

    Args:
        drawn: At least one picture.
    """
    pairs = any(one.entry.sample.attribution is not None for one in drawn)
    width = _SIDE * (2 if pairs else 1)
    columns = max(1, min(len(drawn), (_WIDTH - _GAP) // (width + _GAP)))
    rows = math.ceil(len(drawn) / columns)
    height = _SIDE + _TEXT
    size = (_GAP + columns * (width + _GAP), _GAP + rows * (height + _GAP))
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, one in enumerate(drawn):
        row, column = divmod(index, columns)
        left, top = _GAP + column * (width + _GAP), _GAP + row * (height + _GAP)
        sample = one.entry.sample
        sheet.paste(_fitted(sample.pixels), (left, top))
        if sample.attribution is not None:
            overlay = with_attribution(sample.pixels, sample.attribution)
            sheet.paste(_fitted(overlay), (left + _SIDE, top))
        colour = _INK if one.rejected is None else _REJECTED
        if one.rejected is not None:
            pen.rectangle((left - 3, top - 3, left + width + 2, top + _SIDE + 2), outline=colour, width=3)
        margin = "" if one.prediction is None else f" margin {one.prediction.margin:+.2f}"
        pen.text((left, top + _SIDE + 3), _plain(f"seed {one.request.seed}{margin}"), fill=colour)
        said = "kept" if one.rejected is None else one.rejected
        pen.text((left, top + _SIDE + 15), _plain(said)[: width // 6], fill=colour)
    return sheet


def _fitted(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE))
    if max(image.size) < _SIDE:  # small pictures are shown larger, patch by patch
        scale = _SIDE // max(image.size)
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    return image


def _plain(text: str) -> str:
    """What Pillow's own font has letters for."""
    return text.encode("ascii", "replace").decode()
