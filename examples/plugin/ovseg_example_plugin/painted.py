"""Data set ``painted``: truth that was painted in colours, with a palette that names them."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ovseg.errors import DatasetError, reason
from ovseg.evaluation.datasets import DatasetCard
from ovseg.evaluation.datasets.base import Dataset, Sample, Truth, find_root, require_files
from ovseg_example_plugin.settings import PaintedSettings

PAINTED = DatasetCard(
    "painted",
    "Your own images with truth painted in colours.",
    f"{__name__}:load",
    "images/NAME.png, painted/NAME.png (RGB) and palette.csv (lines NAME,RED,GREEN,BLUE)",
    has_background=False,
)

Palette = dict[tuple[int, int, int], int]


def load(card: DatasetCard, root: Path, settings: PaintedSettings) -> Dataset:
    """Read the data set.

    Raises:
        DatasetError: The tree is missing or not whole, or the palette cannot be read.
    """
    folder = find_root(card, root, (), "palette.csv")
    classes, palette = _palette(folder / "palette.csv")
    palette[settings.void] = 255
    images = sorted((folder / "images").glob("*.png"))
    truths = [folder / "painted" / path.name for path in images]
    require_files(card, truths)
    pairs = zip(images, truths, strict=True)
    return Dataset(
        card=card,
        root=folder,
        layout="images, painted, palette.csv",
        classes=classes,
        samples=tuple(Sample(a.stem, a, partial(_read, b, palette)) for a, b in pairs),
        has_background=False,
    )


def _palette(path: Path) -> tuple[tuple[str, ...], Palette]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [(name, int(r), int(g), int(b)) for name, r, g, b in csv.reader(stream)]
    except (OSError, ValueError) as error:
        raise DatasetError(f"cannot read {path}: {reason(error)}") from error
    return tuple(row[0] for row in rows), {row[1:]: index for index, row in enumerate(rows)}


def _read(path: Path, palette: Palette) -> Truth:
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DatasetError(f"cannot read {path}: {reason(error)}") from error
    colours, places = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    try:
        indices = [palette[int(r), int(g), int(b)] for r, g, b in colours]
    except KeyError as error:
        raise DatasetError(f"{path}: colour {error} is not in palette.csv") from error
    return np.array(indices, np.uint8)[places.ravel()].reshape(pixels.shape[:2])
