"""Resize pixel arrays the one way ovseg does it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image


def resized(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB at another (H', W'): Pillow's bicubic, antialiased when it shrinks."""
    if pixels.shape[:2] == size:
        return pixels.copy()
    image = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.array(image)
