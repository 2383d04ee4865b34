"""How large an image may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageLimits:
    """How large an image may be.

    Attributes:
        working_pixels: Images are scaled down to this many pixels (height times width) before anything looks
            at them; masks are still written at the file's own size.
        bomb_pixels: Files that say they hold more are refused. Decoding takes up to 4 bytes a pixel.
    """

    working_pixels: int = 4 * 2**20
    bomb_pixels: int = 512 * 2**20
