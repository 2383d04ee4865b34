"""PNG files written a band of rows at a time: 20000 x 20000 pixels cost a few megabytes of memory.

Pillow wants the whole picture in memory (400 MB of labels, 1.2 GB of panoptic RGB at that size). The format
is simple enough to stream: ISO/IEC 15948, chunks with a CRC around one zlib stream of filtered rows.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ovseg.files import atomic_path

__all__ = ["Colour", "write_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FLUSH = 1 << 16


class Colour(IntEnum):
    """PNG colour types that are written here."""

    GREY = 0
    RGB = 2
    INDEXED = 3


def write_png(
    path: Path,
    size: tuple[int, int],
    bands: Iterable[npt.NDArray[Any]],
    colour: Colour,
    palette: npt.NDArray[np.uint8] | None = None,
) -> None:
    """Write a PNG from bands of rows, atomically.

    Args:
        path: Where to.
        size: (H, W) of the picture.
        bands: (rows, W) or (rows, W, 3) arrays, uint8, or uint16 for 16-bit grey; rows add up to H.
        colour: What the values mean.
        palette: (n, 3) uint8 RGB, n up to 256, for ``Colour.INDEXED``.

    Raises:
        ValueError: The bands do not fill the picture exactly.
        OutputError: The file cannot be written.
    """
    height, width = size
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write(_SIGNATURE)
        compressor = zlib.compressobj(6)
        pending = bytearray()
        written = 0
        for band in bands:
            if written == 0:  # the dtype of the first band says the depth
                depth = 8 * band.dtype.itemsize
                _chunk(stream, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
                if palette is not None:
                    _chunk(stream, b"PLTE", palette.tobytes())
            if band.shape[1] != width:
                raise ValueError(f"expected rows of {width} pixels, got {band.shape[1]}")
            rows = _as_bytes(band)
            # Row filter 0, none: on label maps zlib finds the row above by itself.
            pending += compressor.compress(np.pad(rows, ((0, 0), (1, 0))).data)
            written += len(rows)
            if len(pending) >= _FLUSH:
                _chunk(stream, b"IDAT", bytes(pending))
                pending.clear()
        if written != height:
            raise ValueError(f"expected {height} rows, got {written}")
        _chunk(stream, b"IDAT", bytes(pending) + compressor.flush())
        _chunk(stream, b"IEND", b"")


def _as_bytes(band: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    # PNG is big-endian.
    ordered = np.ascontiguousarray(band, dtype=band.dtype.newbyteorder(">"))
    return ordered.reshape(len(band), -1).view(np.uint8)


def _chunk(stream: BinaryIO, kind: bytes, data: bytes) -> None:
    stream.write(struct.pack(">I", len(data)) + kind + data)
    stream.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))
