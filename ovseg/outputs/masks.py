"""Format ``png``: the label map itself, as an indexed PNG in PASCAL VOC's manner."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.outputs.base import OutputItem, RunContext, output_path
from ovseg.outputs.palette import voc_palette
from ovseg.outputs.pngstream import Colour, write_png
from ovseg.outputs.resampling import upscaled_bands

__all__ = ["MASKS", "MaskWriter", "write_mask"]

MASKS = "masks"
"""Folder of the masks in a run folder."""


def write_mask(path: Path, labels: npt.NDArray[Any], size: tuple[int, int]) -> None:
    """Write a label map at ``size``: indexed with VOC's palette where it is uint8, 16-bit grey where uint16.

    Args:
        path: Where to.
        labels: (h, w) uint8 or uint16; where ``size`` is larger it is enlarged by nearest neighbour.
        size: (H, W) of the image file.

    Raises:
        OutputError: The file cannot be written.
    """
    if labels.dtype == np.uint8:
        write_png(path, size, upscaled_bands(labels, size), Colour.INDEXED, voc_palette())
    else:
        write_png(path, size, upscaled_bands(labels, size), Colour.GREY)


class MaskWriter:
    """``OUT/masks/<stem>.png`` at the size of the image file (see ``write_mask``).

    0 is background, 1… the classes in their order, 255 (65535 in 16-bit masks) a pixel without an answer.
    """

    def __init__(self, context: RunContext) -> None:
        self._root = context.out / MASKS

    def write(self, item: OutputItem) -> None:
        """Write the mask of one image."""
        write_mask(output_path(self._root, item.stem, ".png"), item.segmentation.labels, item.size)

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path | None:
        """Nothing is left to do."""
        return None
