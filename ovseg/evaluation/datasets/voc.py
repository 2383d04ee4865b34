"""PASCAL VOC 2012 as its development kit lays it out; ``voc21`` counts background, ``voc20`` ignores it."""

from __future__ import annotations

from pathlib import Path

from ovseg.evaluation.datasets.base import (
    Dataset,
    find_root,
    mask_samples,
    official_names,
    read_split,
    require_files,
)
from ovseg.evaluation.datasets.catalog import DatasetCard
from ovseg.evaluation.datasets.truth import identity_table

SPLIT = "ImageSets/Segmentation/val.txt"


def load(card: DatasetCard, root: Path) -> Dataset:
    """Read VOC from ``VOC2012``, ``VOCdevkit`` or the folder that holds ``VOCdevkit``.

    Index 0 is background and 255 the void rim around objects. For ``voc20`` background is void too, and
    aeroplane is index 0 (mmsegmentation's ``reduce_zero_label``).

    Raises:
        DatasetError: The tree is missing or not whole.
    """
    folder = find_root(card, root, ("VOC2012", "VOCdevkit/VOC2012"), SPLIT)
    names = read_split(folder / SPLIT)
    classes = official_names(card)
    images = [folder / "JPEGImages" / f"{name}.jpg" for name in names]
    masks = [folder / "SegmentationClass" / f"{name}.png" for name in names]
    require_files(card, [*images, *masks])
    table = identity_table(len(classes), ignore_zero=not card.has_background)
    return Dataset(
        card=card,
        root=folder,
        layout=f"VOC development kit, {SPLIT}",
        classes=classes,
        has_background=card.has_background,
        samples=mask_samples(names, images, masks, table),
    )
