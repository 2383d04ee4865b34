"""The colours of classes: PASCAL VOC's palette, the same in masks, overlays, legends and reports."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["BACKGROUND_REGION", "FOREGROUND_REGION", "hex_colour", "voc_palette"]

FOREGROUND_REGION = (40, 200, 90)
"""RGB in which support regions of a class are drawn."""
BACKGROUND_REGION = (70, 90, 220)
"""RGB in which regions are drawn that are surely not of the class."""


def voc_palette(length: int = 256) -> npt.NDArray[np.uint8]:
    """PASCAL VOC's colour map: the bits of the index, dealt out to red, green and blue from the top.

    Colour ``i`` takes bits 0, 3, 6… of ``i`` for red, 1, 4, 7… for green and 2, 5, 8… for blue, the lowest
    into the highest bit of the channel (VOC development kit, ``VOCcolormap``). All colours up to index 2**24
    differ; index 0 is black and 255 is VOC's cream for void.

    Returns:
        (length, 3) uint8 RGB.
    """
    index = np.arange(length, dtype=np.uint32)
    palette = np.zeros((length, 3), np.uint8)
    for level in range(8):
        for channel in range(3):
            bit = (index >> (3 * level + channel)) & 1
            palette[:, channel] |= (bit << (7 - level)).astype(np.uint8)
    return palette


def hex_colour(label: int) -> str:
    """Colour of a label as ``#rrggbb``."""
    red, green, blue = (int(value) for value in voc_palette(label + 1)[label])
    return f"#{red:02x}{green:02x}{blue:02x}"
