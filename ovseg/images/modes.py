"""From any of Pillow's pixel modes to 8-bit RGB."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image


def value_span(image: Image.Image) -> tuple[float, float]:
    """(lowest, highest) value that becomes black and white in a grey image of more than 8 bits.

    16-bit greys span [0, 65535]. The range of 32-bit integers and floats is not told by a file, so theirs is
    that of the image's finite values. For other modes the answer means nothing.
    """
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    if image.mode not in ("I", "F"):
        return 0.0, 255.0
    values = np.asarray(image)
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def to_rgb(image: Image.Image, span: tuple[float, float]) -> Image.Image:
    """Convert to RGB; transparency is laid on white.

    Args:
        image: Loaded, in any mode, whole or a part.
        span: ``value_span`` of the whole image.
    """
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        # Pillow's own conversion clips at 255.
        return _stretched(np.asarray(image).astype(np.float64), span)
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return image.convert("RGB")


def _stretched(values: npt.NDArray[np.float64], span: tuple[float, float]) -> Image.Image:
    low, high = span
    finite = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    grey = (finite - low) * (255 / (high - low) if high > low else 0)
    return Image.fromarray(np.rint(grey).clip(0, 255).astype(np.uint8)).convert("RGB")
