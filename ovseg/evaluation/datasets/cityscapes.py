"""Cityscapes fine annotation, val: by training ids where they were made, else by the original label ids."""

from __future__ import annotations

from pathlib import Path

from ovseg.evaluation.datasets.base import Dataset, find_root, mask_samples, official_names, require_files
from ovseg.evaluation.datasets.catalog import DatasetCard
from ovseg.evaluation.datasets.truth import identity_table, value_table
from ovseg.evaluation.metrics import VOID

_IMAGE = "_leftImg8bit.png"
# Label ids of the 19 evaluated classes, in the order of their training ids; ids up to 33 exist.
_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def load(card: DatasetCard, root: Path) -> Dataset:
    """Read the 500 images of val; names are ``city/stem``.

    Raises:
        DatasetError: The tree is missing or not whole.
    """
    folder = find_root(card, root, ("cityscapes",), "leftImg8bit/val")
    images = sorted((folder / "leftImg8bit/val").glob(f"*/*{_IMAGE}"))
    truth = folder / "gtFine/val"
    by_training_id = any(truth.glob("*/*_gtFine_labelTrainIds.png"))
    ending = "_gtFine_labelTrainIds.png" if by_training_id else "_gtFine_labelIds.png"
    classes = official_names(card)
    if by_training_id:
        table = identity_table(len(classes))
    else:
        ids = {number: index for index, number in enumerate(_LABEL_IDS)}
        table = value_table({**dict.fromkeys(range(34), VOID), **ids})
    names = [f"{path.parent.name}/{path.name.removesuffix(_IMAGE)}" for path in images]
    masks = [truth / f"{name}{ending}" for name in names]
    require_files(card, masks)
    return Dataset(
        card=card,
        root=folder,
        layout=f"fine annotation, val, *{ending}",
        classes=classes,
        has_background=False,
        samples=mask_samples(names, images, masks, table),
    )
