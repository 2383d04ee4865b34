"""The pool: photos without labels, each with what the image-text encoder makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.support.pool.config import PoolConfig

__all__ = ["Pool", "PoolEntry", "PoolItem", "pool_of"]


@dataclass(frozen=True)
class PoolEntry:
    """A photo as the pool remembers it.

    Attributes:
        root: Index of its folder in ``Pool.roots``.
        path: POSIX path below that folder.
        sha256: Of the file's bytes.
        bytes: The file's size.
        modified: When it was changed last, in ns.
        size: (H, W) of the file in pixels, after EXIF orientation.
        licence: As far as it is known; ``"unknown"`` otherwise.
    """

    root: int
    path: str
    sha256: str
    bytes: int
    modified: int
    size: tuple[int, int]
    licence: str = "unknown"


@dataclass(frozen=True)
class PoolItem:
    """A photo with its features, on its way into a pool.

    Attributes:
        entry: What it is.
        hash: Perceptual hash (``ovseg.images.perceptual``).
        features: (V, D) features of the image-text encoder: of the whole photo, then of its crops.
        boxes: (V, 4) x0, y0, x1, y1 of each view as shares of width and height.
    """

    entry: PoolEntry
    hash: int
    features: npt.NDArray[np.float16]
    boxes: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pool:
    """N photos with V views in all, V at least N.

    Attributes:
        roots: Folders that the photos lie in.
        entries: The photos.
        features: (V, D) float16 features of the image-text encoder for whole images.
        owners: (V,) int32, the photo of each view; rising, and no photo without a view.
        boxes: (V, 4) float32, x0, y0, x1, y1 of each view as shares of width and height.
        hashes: (N,) uint64 perceptual hashes.
        identity: What decides the values of the features (``encoder_fingerprint``), JSON-able.
        preset: Name of the preset that gave them.
        config: What of each photo was encoded.
        failed: Photos that could not be read, as (root, path, reason).

    Raises:
        ValueError: The parts do not fit together.
    """

    roots: tuple[str, ...]
    entries: tuple[PoolEntry, ...]
    features: npt.NDArray[np.float16]
    owners: npt.NDArray[np.int32]
    boxes: npt.NDArray[np.float32]
    hashes: npt.NDArray[np.uint64]
    identity: Mapping[str, Any]
    preset: str
    config: PoolConfig = field(default_factory=PoolConfig)
    failed: tuple[tuple[int, str, str], ...] = ()

    def __post_init__(self) -> None:
        count, views = len(self.entries), len(self.owners)
        shapes: dict[str, tuple[npt.NDArray[Any], type, tuple[int, ...]]] = {
            "features": (self.features, np.float16, (views, self.features.shape[-1])),
            "owners": (self.owners, np.int32, (views,)),
            "boxes": (self.boxes, np.float32, (views, 4)),
            "hashes": (self.hashes, np.uint64, (count,)),
        }
        for name, (values, dtype, shape) in shapes.items():
            if values.dtype != dtype or values.shape != shape:
                raise ValueError(
                    f"expected {name} {shape} {np.dtype(dtype)}, got {values.shape} {values.dtype}"
                )
        if not np.isfinite(self.features).all():
            raise ValueError("features hold NaN or infinite values")
        # One step at a time from the first photo to the last: -1 stands before the first.
        steps = np.diff(self.owners.astype(np.int64), prepend=-1, append=count)
        if not ((steps >= 0) & (steps <= 1)).all() or steps[0] != 1 or steps[-1] != 1:
            raise ValueError("owners do not lead through the photos in order")
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        if not ((low >= 0) & (low < high) & (high <= 1)).all():
            raise ValueError("boxes reach out of their photos")
        for root, path in [(e.root, e.path) for e in self.entries] + [(f[0], f[1]) for f in self.failed]:
            if not 0 <= root < len(self.roots) or not _is_below(path):
                raise ValueError(f"path {path!r:.200} is not below a folder of the pool")

    def __len__(self) -> int:
        return len(self.entries)

    def name(self, index: int) -> str:
        """What a photo is called in results: its path, below the folder's name where there are several."""
        return self.place(self.entries[index].root, self.entries[index].path)

    def place(self, root: int, path: str) -> str:
        """The same for a folder's index and a path below it."""
        if len(self.roots) == 1:
            return path
        names = [Path(folder).name for folder in self.roots]
        own = names[root] if names.count(names[root]) == 1 else f"{names[root]}-{root + 1}"
        return f"{own}/{path}"

    def file(self, index: int, roots: Sequence[Path] | None = None) -> Path:
        """Where a photo lies: below the folder it was found in, or below the one given instead."""
        entry = self.entries[index]
        folder = Path(self.roots[entry.root]) if roots is None else roots[entry.root]
        return folder / entry.path


def _is_below(path: str) -> bool:
    """Whether a path stays below the folder that it is put behind."""
    parts = path.split("/")
    plain = "\0" not in path and "\\" not in path and ":" not in parts[0]
    return plain and all(part not in ("", ".", "..") for part in parts)


def pool_of(
    items: Iterable[PoolItem],
    roots: Sequence[str],
    identity: Mapping[str, Any],
    preset: str,
    config: PoolConfig | None = None,
    failed: Iterable[tuple[int, str, str]] = (),
) -> Pool:
    """Put photos together into a pool, in the order of their folders and paths."""
    ordered = sorted(items, key=lambda item: (item.entry.root, item.entry.path.split("/")))
    width = ordered[0].features.shape[1] if ordered else 0
    views = [len(item.features) for item in ordered]
    return Pool(
        roots=tuple(roots),
        entries=tuple(item.entry for item in ordered),
        features=np.concatenate([np.empty((0, width), np.float16), *(item.features for item in ordered)]),
        owners=np.repeat(np.arange(len(ordered), dtype=np.int32), views),
        boxes=np.concatenate([np.empty((0, 4), np.float32), *(item.boxes for item in ordered)]),
        hashes=np.array([item.hash for item in ordered], np.uint64),
        identity=identity,
        preset=preset,
        config=config or PoolConfig(),
        failed=tuple(sorted(failed, key=lambda entry: (entry[0], entry[1].split("/")))),
    )
