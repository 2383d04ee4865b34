"""What of a photo is encoded: the whole of it, and windows where crops are asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from ovseg.encoders.base import ImageTextEncoder
from ovseg.images.resize import resized
from ovseg.support.pool.config import PoolConfig

__all__ = ["encode_views", "view_boxes", "views"]

_OVERLAP = 0.1
"""Share of the sides that a window is larger than its patch of the grid."""


def view_boxes(config: PoolConfig) -> npt.NDArray[np.float32]:
    """(V, 4) x0, y0, x1, y1 as shares of width and height: the whole photo, then windows row by row."""
    boxes = [(0.0, 0.0, 1.0, 1.0)]
    patches = math.isqrt(config.crops)
    side = 1 / patches + _OVERLAP if patches else 0.0
    for row in range(patches):
        for column in range(patches):
            left, top = column * (1 - side) / (patches - 1), row * (1 - side) / (patches - 1)
            boxes.append((left, top, left + side, top + side))
    return np.array(boxes, np.float32).clip(0, 1)


def views(
    pixels: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32], side: int
) -> list[npt.NDArray[np.uint8]]:
    """Each view as a (side, side, 3) uint8 square, as segmentation sees whole images.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        boxes: (V, 4) from ``view_boxes``.
        side: In pixels.
    """
    height, width = pixels.shape[:2]
    squares = []
    for x0, y0, x1, y1 in boxes.tolist():
        left, top = min(int(x0 * width), width - 1), min(int(y0 * height), height - 1)
        right, bottom = max(left + 1, round(x1 * width)), max(top + 1, round(y1 * height))
        squares.append(resized(pixels[top:bottom, left:right], (side, side)))
    return squares


def encode_views(
    squares: Sequence[npt.NDArray[np.uint8]], image_text: ImageTextEncoder, device: torch.device, batch: int
) -> npt.NDArray[np.float16]:
    """(V, D) features of V squares.

    Every forward pass has the same number of squares, the last one filled up with black: what a photo is
    encoded to then does not depend on which others happen to be encoded with it.

    Args:
        squares: (side, side, 3) uint8 each.
        image_text: The encoder.
        device: Where it computes.
        batch: Squares a forward pass.
    """
    rows: list[npt.NDArray[np.float16]] = []
    for start in range(0, len(squares), batch):
        part = list(squares[start : start + batch])
        filled = np.stack(part + [np.zeros_like(part[0])] * (batch - len(part)))
        images = torch.from_numpy(filled).to(device).permute(0, 3, 1, 2).float() / 255
        features = image_text.encode_image(images)[: len(part)]
        rows.append(features.float().cpu().numpy().astype(np.float16))
    return np.concatenate(rows)
