"""Take an image in whatever form a program has it, and give it the one form that ovseg computes with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.errors import InputError
from ovseg.images.load import LoadedImage, decode_bytes, decode_image, load_image

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ImageLike", "as_image", "as_pixels"]

ImageLike: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | npt.NDArray[Any]"
    " | Tensor"
)
"""One image, as :func:`as_image` takes it."""

_CHANNELS = (1, 3, 4)
"""Grey, RGB, RGBA."""


def as_image(image: ImageLike) -> LoadedImage:
    """Convert any input to pixels.

    ====================================  ==========================================================
    input                                 meaning
    ====================================  ==========================================================
    ``str``, ``Path``                     an image file
    ``bytes``, binary file object         the content of an image file, read from where the file stands
    Pillow image                          any mode; turned by its EXIF orientation, as a file is
    array (H, W), (H, W, 1 or 3 or 4)     grey, RGB, RGBA
    array (1 or 3 or 4, H, W)             the same, channels first, where the last axis is none of these
    tensor                                likewise, on any device; channels first
    ====================================  ==========================================================

    Values of arrays and tensors are uint8, uint16 in [0, 65535], or floats in [0, 1]. Transparency is laid on
    white. Whatever has more than 4 megapixels is scaled down (``ImageLimits.working_pixels``).

    Raises:
        InputError: The file cannot be read, or the input is none of these; the line says what to do.
    """
    if isinstance(image, str | os.PathLike):
        text = os.fspath(image)
        if "://" in text:
            raise InputError(f"cannot read {text}: ovseg downloads nothing; fetch it, and pass its bytes")
        return load_image(Path(text))
    if isinstance(image, bytes | bytearray | memoryview):
        return decode_bytes(bytes(image), "image bytes")
    if isinstance(image, Image.Image):
        return decode_image(image, getattr(image, "filename", "") or "Pillow image")
    if hasattr(image, "read"):
        return _from_file(cast("IO[bytes]", image))
    return decode_image(Image.fromarray(_as_bytes(*_as_array(image))), "array")


def as_pixels(image: ImageLike) -> npt.NDArray[np.uint8]:
    """Return the (H, W, 3) uint8 RGB pixels of any input; see :func:`as_image`."""
    return as_image(image).pixels


def _from_file(file: IO[bytes]) -> LoadedImage:
    name = getattr(file, "name", None) or "file object"
    try:
        data = file.read()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {name}: {error}") from error
    if not isinstance(data, bytes):
        raise InputError(f"cannot read {name}: it gives {type(data).__name__}; open it in binary mode ('rb')")
    return decode_bytes(data, name)


def _as_array(image: Any) -> tuple[npt.NDArray[Any], bool]:
    """Return the array, and whether it is a tensor, whose channels come first."""
    # Without importing torch: whoever passes a tensor has it, and nobody else needs it.
    if type(image).__module__.partition(".")[0] == "torch" and hasattr(image, "detach"):
        tensor = image.detach().cpu()
        return np.asarray(tensor.float() if tensor.is_floating_point() else tensor), True
    if isinstance(image, np.ndarray) or hasattr(image, "__array__") or hasattr(image, "__array_interface__"):
        return np.asarray(image), False
    raise InputError(
        f"expected an image, got {type(image).__name__}: pass a path, bytes, a file object, a Pillow image,"
        " an array or a tensor"
    )


def _as_bytes(values: npt.NDArray[Any], is_tensor: bool) -> npt.NDArray[np.uint8]:
    """Return (H, W), (H, W, 3) or (H, W, 4) uint8."""
    shape = "x".join(map(str, values.shape))
    if values.ndim == 4:
        raise InputError(f"expected one image, got a batch of shape {shape}: pass a list of images")
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise InputError(f"expected an image of shape (H, W) or (H, W, 3), got {shape}: pass its pixels")
    return _scaled(_channels_last(values, is_tensor) if values.ndim == 3 else values)


def _channels_last(values: npt.NDArray[Any], is_tensor: bool) -> npt.NDArray[Any]:
    first, last = values.shape[0] in _CHANNELS, values.shape[2] in _CHANNELS
    shape = "x".join(map(str, values.shape))
    if first and last and is_tensor:
        raise InputError(f"cannot tell the channels of a tensor of shape {shape}: pass an (H, W, 3) array")
    if not first and not last:
        raise InputError(
            f"expected 1, 3 or 4 channels, got an array of shape {shape}: pass grey, RGB or RGBA pixels"
        )
    ordered = values if last else np.moveaxis(values, 0, 2)
    return ordered[..., 0] if ordered.shape[2] == 1 else ordered


def _scaled(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype == np.uint16:
        return np.rint(values * (255 / 65535)).astype(np.uint8)
    if not np.issubdtype(values.dtype, np.floating):
        raise InputError(f"expected uint8 pixels, got {values.dtype}: convert them, as in x.astype('uint8')")
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # NaN too
        advice = "divide by 255" if low >= 0 and high <= 255 else "undo what normalised them"
        raise InputError(
            f"expected float pixels in [0, 1], got values from {low:.3g} to {high:.3g}: {advice}"
        )
    return np.rint(values.astype(np.float32) * 255).astype(np.uint8)
