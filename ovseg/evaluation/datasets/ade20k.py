"""ADE20K as the 2016 scene parsing challenge packed it (ADEChallengeData2016)."""

from __future__ import annotations

from pathlib import Path

from ovseg.evaluation.datasets.base import Dataset, find_root, mask_samples, official_names, require_files
from ovseg.evaluation.datasets.catalog import DatasetCard
from ovseg.evaluation.datasets.truth import identity_table


def load(card: DatasetCard, root: Path) -> Dataset:
    """Read the validation part: value 0 (other objects) is void, value i is class i - 1.

    Raises:
        DatasetError: The tree is missing or not whole.
    """
    folder = find_root(
        card, root, ("ADEChallengeData2016", "ade/ADEChallengeData2016"), "annotations/validation"
    )
    classes = official_names(card)
    table = identity_table(len(classes), ignore_zero=True)
    names = sorted(
        {path.stem for path in (folder / "annotations/validation").glob("*.png")}
        | {path.stem for path in (folder / "images/validation").glob("*.jpg")}
    )
    images = [folder / "images/validation" / f"{name}.jpg" for name in names]
    masks = [folder / "annotations/validation" / f"{name}.png" for name in names]
    require_files(card, [*images, *masks])
    return Dataset(
        card=card,
        root=folder,
        layout="ADEChallengeData2016, validation",
        classes=classes,
        has_background=False,
        samples=mask_samples(names, images, masks, table),
    )
