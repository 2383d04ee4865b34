"""Prototypes of one class from its support images: means, parts and regions, each with where it comes from.

Class mean, per-image means and k-means parts of foreground and background are OVDiff's (Karazija et al.,
ECCV 2024, sections 3.2 and 3.3); the split of one image's foreground into regions is the training-free
reading of Multi-Modal Prototypes (Yang et al., 2023).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.prototypes.bank import KINDS, PrototypeBank, PrototypeTable, SupportRecord, SupportRegion
from ovseg.prototypes.clean import distinct_rows
from ovseg.prototypes.config import PrototypeConfig
from ovseg.prototypes.pooling import agreement_weights, cluster_patches, masked_mean, part_count
from ovseg.vocabulary import ClassSpec

__all__ = ["SupportView", "class_bank"]

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SupportView:
    """What prototypes are made of: the patches of one support image.

    Attributes:
        record: What the bank remembers of the image; its ``class_index`` is 0.
        foreground: (h, w) bool, patches that are the class; at least one.
        background: (h, w) bool, patches that surely are not; may be empty.
        features: By name of the space, (h * w, D) unit-length features.
        tokens: (h * w, D) features of the backbone, by which the foreground is split into regions.
    """

    record: SupportRecord
    foreground: Mask
    background: Mask
    features: Mapping[str, Floats]
    tokens: Floats

    def __post_init__(self) -> None:
        grid = tuple(self.record.grid)
        if self.foreground.shape != grid or self.background.shape != grid or not self.foreground.any():
            raise ValueError(f"foreground is empty, or regions are not on the grid {grid}")


@dataclass(frozen=True)
class _Row:
    vector: Floats
    kind: str
    foreground: bool
    region: int


class _Regions:
    """Regions numbered as they come, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes], int] = {}
        self.found: list[SupportRegion] = []

    def number(self, support: int, mask: Mask) -> int:
        key = (support, np.packbits(mask).tobytes())
        if key not in self._known:
            self._known[key] = len(self.found)
            self.found.append(SupportRegion(support, mask))
        return self._known[key]


def class_bank(
    spec: ClassSpec,
    views: Sequence[SupportView],
    fingerprints: Mapping[str, Mapping[str, Any]],
    config: PrototypeConfig,
    *,
    stuff: bool = False,
) -> PrototypeBank:
    """The bank of one class.

    Args:
        spec: The class.
        views: Its support images; none gives a bank without prototypes.
        fingerprints: What decides the values of features, by name of the space.
        config: Which prototypes.
        stuff: Whether the class is stuff: what is around it may be any stuff, and gives no prototypes.
    """
    regions = _Regions()
    splits = [_split(view, config) if "region" in config.kinds else [] for view in views]
    tables = {}
    for space, identity in fingerprints.items():
        rows = list(_rows(space, views, splits, regions, config, foreground=True))
        if config.background and not stuff:
            rows += _rows(space, views, splits, regions, config, foreground=False)
        tables[space] = _table(space, identity, rows, config)
    records = tuple(view.record for view in views)
    return PrototypeBank((spec,), tables, records, tuple(regions.found))


def _split(view: SupportView, config: PrototypeConfig) -> list[Mask]:
    """The foreground of an image in regions whose patches look alike; none where it is one region."""
    places = np.flatnonzero(view.foreground)
    count = part_count(len(places), config.splits, config.patches_per_split)
    labels = cluster_patches(view.tokens[places], count, config.seed)
    if labels.max() == 0:
        return []
    masks = []
    for label in range(int(labels.max()) + 1):
        mask = np.zeros(view.foreground.size, np.bool_)
        mask[places[labels == label]] = True
        masks.append(mask.reshape(view.foreground.shape))
    return masks


def _rows(
    space: str,
    views: Sequence[SupportView],
    splits: Sequence[Sequence[Mask]],
    regions: _Regions,
    config: PrototypeConfig,
    *,
    foreground: bool,
) -> Iterator[_Row]:
    """Prototypes of one space and ground, in the order of ``KINDS``."""
    masks = [view.foreground if foreground else view.background for view in views]
    images = [index for index, mask in enumerate(masks) if mask.any()]
    if not images:
        return
    means = np.stack([masked_mean(views[i].features[space], masks[i].reshape(-1)) for i in images])
    numbers = [regions.number(i, masks[i]) for i in images]
    patches = np.concatenate([views[i].features[space][masks[i].reshape(-1)] for i in images])
    owners = np.concatenate([np.full(int(masks[i].sum()), rank) for rank, i in enumerate(images)])
    if "class" in config.kinds:
        trust = agreement_weights(means) if config.agreement and foreground else np.ones(len(images))
        everything = np.ones(len(patches), np.bool_)
        mean = masked_mean(patches, everything, trust[owners].astype(np.float32))
        yield _Row(mean, "class", foreground, numbers[int(np.argmax(means @ mean))])
    if "image" in config.kinds:
        for image_mean, number in zip(means, numbers, strict=True):
            yield _Row(image_mean, "image", foreground, number)
    if "part" in config.kinds:
        count = part_count(len(patches), config.parts, config.patches_per_part)
        labels = cluster_patches(patches, count, config.seed)
        for label in range(int(labels.max()) + 1):
            centre = masked_mean(patches, labels == label)
            nearest = np.where(labels == label, patches @ centre, -np.inf)
            rank = int(owners[int(np.argmax(nearest))])
            # Where the part is seen best: its patches in the image that holds its medoid.
            mask = np.zeros(masks[images[rank]].size, np.bool_)
            mask[np.flatnonzero(masks[images[rank]])[labels[owners == rank] == label]] = True
            number = regions.number(images[rank], mask.reshape(masks[images[rank]].shape))
            yield _Row(centre, "part", foreground, number)
    if "region" in config.kinds and foreground:
        for i in images:
            for mask in splits[i]:
                mean = masked_mean(views[i].features[space], mask.reshape(-1))
                yield _Row(mean, "region", foreground, regions.number(i, mask))


def _table(
    space: str, identity: Mapping[str, Any], rows: Sequence[_Row], config: PrototypeConfig
) -> PrototypeTable:
    """Rows as a table, without doubles."""
    kept: list[_Row] = []
    for ground in (True, False):
        group = [row for row in rows if row.foreground == ground]
        if group:
            kept += [group[i] for i in distinct_rows(np.stack([row.vector for row in group]), config.merge)]
    vectors = np.stack([row.vector for row in kept]) if kept else np.zeros((0, 0), np.float32)
    return PrototypeTable(
        space=space,
        identity=identity,
        vectors=vectors,
        classes=np.zeros(len(kept), np.int32),
        kinds=np.array([KINDS.index(row.kind) for row in kept], np.uint8),
        foreground=np.array([row.foreground for row in kept], np.bool_),
        regions=np.array([row.region for row in kept], np.int32),
    )
