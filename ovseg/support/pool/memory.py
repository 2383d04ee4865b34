"""A pool that is never written: the images of a run, so that the folder being segmented is its own pool."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ovseg.encoders.presets import Encoders
from ovseg.errors import InputError
from ovseg.files import file_sha256
from ovseg.images.perceptual import image_hash
from ovseg.support.pool.config import PoolConfig
from ovseg.support.pool.file import names_identity
from ovseg.support.pool.model import Pool, PoolEntry, PoolItem, pool_of
from ovseg.support.pool.views import encode_views, view_boxes, views

__all__ = ["pool_in_memory"]

Photo = tuple[Path, npt.NDArray[np.uint8], torch.Tensor | None]
"""A file, its (H, W, 3) pixels, and (D,) feature of the whole image (``EncodedImage.whole``), if known."""


def pool_in_memory(photos: Iterable[Photo], encoders: Encoders) -> Pool:
    """A pool of photos that are decoded, and perhaps encoded, anyway.

    Pixels are used one photo at a time and not kept.

    Args:
        photos: In any order; a file that comes again counts once.
        encoders: A loaded preset.

    Raises:
        InputError: A file is not there any more.
    """
    items: dict[Path, PoolItem] = {}
    for file, pixels, whole in photos:
        # Links stay as they are, as in find_images.
        place = Path(os.path.normpath(file.absolute()))
        if place not in items:
            items[place] = _item(place, pixels, whole, encoders)
    root = Path(os.path.commonpath([place.parent for place in items])) if items else Path("/")
    named = [_below(root, place, item) for place, item in items.items()]
    return pool_of(named, [str(root)], names_identity(encoders.names), encoders.preset)


def _item(
    file: Path, pixels: npt.NDArray[np.uint8], whole: torch.Tensor | None, encoders: Encoders
) -> PoolItem:
    boxes = view_boxes(PoolConfig())
    if whole is None:
        squares = views(pixels, boxes, encoders.names.image_side)
        features = encode_views(squares, encoders.names, encoders.device, 1)
    else:
        features = whole.float().cpu().numpy().astype(np.float16)[None]
    try:
        status = file.stat()
        sha256 = file_sha256(file)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    size = (int(pixels.shape[0]), int(pixels.shape[1]))
    entry = PoolEntry(0, file.name, sha256, status.st_size, status.st_mtime_ns, size)
    return PoolItem(entry, image_hash(pixels), features, boxes)


def _below(root: Path, place: Path, item: PoolItem) -> PoolItem:
    """The photo under its path below the common folder."""
    return replace(item, entry=replace(item.entry, path=place.relative_to(root).as_posix()))
