"""The bank: prototypes of any number and form, each with the region of the support image it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.vocabulary import ClassSpec

__all__ = ["KINDS", "PrototypeBank", "PrototypeTable", "SupportRecord", "SupportRegion"]

KINDS = ("class", "image", "part", "region", "text")
"""Of what a prototype is the mean: all foreground (or background) patches of its class, those of one image,
a cluster of patches (k-means), a segment of one image. ``text``: the embedding of a name or an attribute."""


@dataclass(frozen=True)
class SupportRecord:
    """A support image as the bank remembers it (its pixels are not kept).

    Attributes:
        class_index: Which class it was taken for.
        origin: ``asdict`` of its :class:`~ovseg.support.base.Origin`.
        size: (H, W) in pixels.
        grid: (h, w) patches on which its regions are kept.
    """

    class_index: int
    origin: Mapping[str, Any]
    size: tuple[int, int]
    grid: tuple[int, int]


@dataclass(frozen=True)
class SupportRegion:
    """Patches of a support image that prototypes are made of.

    Attributes:
        support: Index of the image in ``PrototypeBank.supports``.
        mask: (h, w) bool on that image's grid, not empty.
    """

    support: int
    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PrototypeTable:
    """The P prototypes of one feature space.

    Attributes:
        space: Name of the space.
        identity: What decides the values of features there (``Preset.fingerprint``); JSON-able.
        vectors: (P, D) float32, unit length.
        classes: (P,) int32, index into ``PrototypeBank.classes``.
        kinds: (P,) uint8, index into ``KINDS``.
        foreground: (P,) bool: a prototype of the class, or of what is around it.
        regions: (P,) int32, index into ``PrototypeBank.regions`` of the region that is most like the
            prototype (for an image or segment its own one), or -1 for text.
        texts: For prototypes of kind ``text`` by row index the words that were encoded.
    """

    space: str
    identity: Mapping[str, Any]
    vectors: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    foreground: npt.NDArray[np.bool_]
    regions: npt.NDArray[np.int32]
    texts: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.vectors.dtype != np.float32:
            raise ValueError(
                f"expected (P, D) float32 vectors, got {self.vectors.shape} {self.vectors.dtype}"
            )
        for name in ("classes", "kinds", "foreground", "regions"):
            values = getattr(self, name)
            if values.shape != (len(self.vectors),):
                raise ValueError(f"{name} {values.shape} does not match {len(self.vectors)} vectors")
        if not np.isfinite(self.vectors).all():
            raise ValueError("vectors hold NaN or infinite values")

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True)
class PrototypeBank:
    """Prototypes of K classes in one or more feature spaces.

    Attributes:
        classes: What the classes are, in their order.
        tables: By name of the space.
        supports: Images that prototypes come from.
        regions: Their regions.
        metadata: How the bank was made, JSON-able: version, sources, settings, seed, templates hash.
        path: The file that it was read from, if it was.

    Raises:
        ValueError: An index points nowhere.
    """

    classes: tuple[ClassSpec, ...]
    tables: Mapping[str, PrototypeTable]
    supports: tuple[SupportRecord, ...] = ()
    regions: tuple[SupportRegion, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for record in self.supports:
            _within("class of a support image", record.class_index, 0, len(self.classes))
        for region in self.regions:
            _within("support image of a region", region.support, 0, len(self.supports))
            if region.mask.shape != tuple(self.supports[region.support].grid) or not region.mask.any():
                raise ValueError(f"region of support {region.support} is empty or not on its grid")
        for name, table in self.tables.items():
            if table.space != name:
                raise ValueError(f"table of space {table.space!r} stands under {name!r}")
            if len(table):
                _within("class", int(table.classes.min()), 0, len(self.classes))
                _within("class", int(table.classes.max()), 0, len(self.classes))
                _within("kind", int(table.kinds.max()), 0, len(KINDS))
                _within("region", int(table.regions.min()), -1, len(self.regions))
                _within("region", int(table.regions.max()), -1, len(self.regions))


def _within(what: str, index: int, least: int, end: int) -> None:
    if not least <= index < end:
        raise ValueError(f"{what} {index} is not in [{least}, {end})")
