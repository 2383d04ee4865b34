"""Decode images in whatever mode, size or state they are: files, bytes, and images that Pillow opened."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from ovseg.errors import InputError
from ovseg.images.limits import ImageLimits
from ovseg.images.modes import to_rgb, value_span

__all__ = ["LoadedImage", "decode_bytes", "decode_image", "load_image", "working_size"]

# Formats that Pillow decodes itself; EPS, for one, would start another program on the user's file.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "TGA")

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation (EXIF 2.32, tag 0x0112)."""
_SIDEWAYS = frozenset(_TURNS[orientation] for orientation in (5, 6, 7, 8))
"""Turns that exchange height and width."""

_TILE = 4096
_HUGE = 64 * 2**20
"""Pixels from which files are decoded one at a time, so that two threads never hold two of them."""

_huge_lock = threading.Lock()
_open_lock = threading.Lock()


@dataclass(frozen=True)
class LoadedImage:
    """An image ready to be looked at.

    Attributes:
        pixels: (H', W', 3) uint8 RGB, EXIF orientation applied; (H, W) scaled down where the file is larger
            than the working size.
        size: (H, W) of the whole image after EXIF orientation.
    """

    pixels: npt.NDArray[np.uint8]
    size: tuple[int, int]


def load_image(
    path: Path,
    *,
    working_pixels: int = ImageLimits.working_pixels,
    bomb_pixels: int = ImageLimits.bomb_pixels,
) -> LoadedImage:
    """Read an image file.

    Greys, palettes, CMYK and 16-bit greys become RGB; transparency is laid on white; of an animation the
    first frame counts; damaged EXIF data are ignored. Memory is bounded: JPEG is decoded at a fraction of its
    size where that suffices, other formats take at most 4 bytes for each pixel of the file while they are
    scaled down, and files beyond 64 megapixels are decoded one at a time.

    Args:
        path: The file.
        working_pixels: Largest height times width of the result.
        bomb_pixels: Largest height times width of the file.

    Raises:
        InputError: The file is missing, empty, truncated, a folder, no image, or larger than ``bomb_pixels``.
    """
    with _reading(path):
        if path.is_dir():
            raise InputError(f"cannot read {path}: it is a folder (end its name with / to search it)")
        if path.stat().st_size == 0:
            raise InputError(f"cannot read {path}: the file is empty")
    with _open(path, path) as image:
        return decode_image(
            image, path, working_pixels=working_pixels, bomb_pixels=bomb_pixels, fraction=True
        )


def decode_bytes(
    data: bytes,
    name: object,
    *,
    working_pixels: int = ImageLimits.working_pixels,
    bomb_pixels: int = ImageLimits.bomb_pixels,
) -> LoadedImage:
    """Decode the content of an image file; otherwise as :func:`load_image`.

    Args:
        data: The file's bytes.
        name: What it is called in errors.
        working_pixels: Largest height times width of the result.
        bomb_pixels: Largest height times width of the image.

    Raises:
        InputError: As ``load_image`` does.
    """
    if not data:
        raise InputError(f"cannot read {name}: there are no bytes")
    with _open(io.BytesIO(data), name) as image:
        return decode_image(
            image, name, working_pixels=working_pixels, bomb_pixels=bomb_pixels, fraction=True
        )


def decode_image(
    image: Image.Image,
    name: object,
    *,
    working_pixels: int = ImageLimits.working_pixels,
    bomb_pixels: int = ImageLimits.bomb_pixels,
    fraction: bool = False,
) -> LoadedImage:
    """Decode an image that Pillow has opened, turned by its EXIF; otherwise as :func:`load_image`.

    Args:
        image: Of any mode; loaded if it is not.
        name: What it is called in errors.
        working_pixels: Largest height times width of the result.
        bomb_pixels: Largest height times width of the image.
        fraction: Whether a JPEG may be decoded at a fraction of its size, which changes ``image`` itself.

    Raises:
        InputError: As ``load_image`` does.
    """
    width, height = image.size
    if not width or not height:
        raise InputError(f"cannot read {name}: it has no pixels")
    if width * height > bomb_pixels:
        raise InputError(
            f"cannot read {name}: {width}x{height} pixels are more than the limit of"
            f" {bomb_pixels / 2**20:.0f} megapixels (bomb_pixels in the configuration)"
        )
    with _huge_lock if width * height > _HUGE else contextlib.nullcontext():
        target = working_size(width, height, working_pixels)
        with _reading(name):
            if fraction:
                image.draft("RGB", target)
            image.load()
        turn = _TURNS.get(_orientation(image))
        small = _scaled_rgb(image, target)
    if turn is not None:
        small = small.transpose(turn)
    size = (width, height) if turn in _SIDEWAYS else (height, width)
    return LoadedImage(np.array(small), size)


@contextlib.contextmanager
def _reading(name: object) -> Iterator[None]:
    """Turn whatever a decoder raises on a damaged file into one line."""
    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(f"cannot read {name}: it is not an image of a known format") from error
    except MemoryError as error:
        raise InputError(f"cannot read {name}: it does not fit into memory") from error
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from error
    except Exception as error:
        # Pillow's plug-ins raise many types on damaged files (SyntaxError, struct.error, IndexError…); none
        # of them may end a run over a thousand other files, and the cause stays attached.
        raise InputError(f"cannot read {name}: damaged file ({type(error).__name__}: {error})") from error


@contextlib.contextmanager
def _open(source: Path | BinaryIO, name: object) -> Iterator[Image.Image]:
    """Open the header, without Pillow's own size check: ours comes next, and it raises instead of warning."""
    with _open_lock, _reading(name):
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(source, formats=_formats())
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    with image:
        yield image


@cache
def _formats() -> list[str]:
    """Names of the formats that this build of Pillow has."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def working_size(width: int, height: int, limit: int) -> tuple[int, int]:
    """(width, height) scaled down to at most ``limit`` pixels, each side at least 1."""
    if width * height <= limit:
        return width, height
    scale = (limit / (width * height)) ** 0.5
    short = max(1, int(min(width, height) * scale))
    long = min(max(width, height), limit // short, round(max(width, height) * short / min(width, height)))
    return (long, short) if width >= height else (short, long)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 (as stored) where there is none or the metadata are damaged."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        # Pillow raises many types on damaged metadata; the picture itself is sound and stays as stored.
        return 1
    return value if isinstance(value, int) else 1


def _scaled_rgb(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    """RGB at ``target`` (width, height), made tile by tile: only the file's own mode is held at full size."""
    span = value_span(image)
    factor = max(1, min(image.width // target[0], image.height // target[1]))
    if factor == 1:
        rgb = to_rgb(image, span)
    else:
        rgb = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
        step = max(_TILE // factor, 1) * factor
        for top in range(0, image.height, step):
            for left in range(0, image.width, step):
                corner = min(left + step, image.width), min(top + step, image.height)
                tile = to_rgb(image.crop((left, top, *corner)), span)
                rgb.paste(tile.reduce(factor), (left // factor, top // factor))
    return rgb if rgb.size == target else rgb.resize(target, Image.Resampling.BOX)
