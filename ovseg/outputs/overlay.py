"""Format ``overlay``: the photo with its classes laid over it and a legend underneath, to look at."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from ovseg.files import atomic_path
from ovseg.outputs.base import OutputItem, RunContext, output_path
from ovseg.outputs.layer import label_layer
from ovseg.outputs.legend import draw_legend, legend_entries

__all__ = ["OVERLAYS", "OverlayWriter", "display_size", "draw_overlay", "save_overlay"]

OVERLAYS = "overlays"
"""Folder of the overlays in a run folder."""
LONG_SIDE = 1280
SMALL_SIDE = 480
"""Photos below this long side are enlarged to it, for the legend's sake."""
_MIN_LEGEND = 320


def display_size(size: tuple[int, int], *, smallest: int, largest: int) -> tuple[int, int]:
    """(H, W) scaled so that the longer side lies within ``smallest`` and ``largest``; no side below 1."""
    long_side = max(size)
    scale = min(max(long_side, smallest), largest) / long_side
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def draw_overlay(item: OutputItem) -> Image.Image:
    """Draw the overlay of one image with its legend.

    Returns:
        RGB image; its photo's longer side is 480 to 1280 pixels.
    """
    height, width = display_size(item.image.shape[:2], smallest=SMALL_SIDE, largest=LONG_SIDE)
    photo = Image.fromarray(item.image)
    if photo.size != (width, height):
        photo = photo.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    line = 1 if max(height, width) < 1000 else 2
    layer = label_layer(item.segmentation.labels, (height, width), line=line).convert("RGBA")
    photo.paste(layer, mask=layer)

    canvas_width = max(width, _MIN_LEGEND)
    legend = draw_legend(legend_entries(item.segmentation), canvas_width, font_size=_font_size(canvas_width))
    canvas = Image.new("RGB", (canvas_width, height + legend.height), (250, 250, 248))
    canvas.paste(photo, ((canvas_width - width) // 2, 0))
    canvas.paste(legend, (0, height))
    return canvas


def save_overlay(path: Path, picture: Image.Image) -> None:
    """Write an overlay as JPEG, atomically."""
    with atomic_path(path) as temporary:
        # 4:4:4, since thin white lines on saturated colours smear otherwise.
        picture.save(temporary, "JPEG", quality=88, subsampling=0)


def _font_size(width: int) -> int:
    return min(max(round(width / 48), 13), 22)


class OverlayWriter:
    """``OUT/overlays/<stem>.jpg`` (see ``draw_overlay``)."""

    def __init__(self, context: RunContext) -> None:
        self._root = context.out / OVERLAYS

    def write(self, item: OutputItem) -> None:
        """Write the overlay of one image."""
        save_overlay(output_path(self._root, item.stem, ".jpg"), draw_overlay(item))

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path | None:
        """Nothing is left to do."""
        return None
