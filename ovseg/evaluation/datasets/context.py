"""PASCAL Context (Mottaghi et al., CVPR 2014) in the three forms that people hold.

The original annotation knows 459 labels; the field evaluates the 59 that are frequent enough, and calls
everything else background. ``context60`` counts that background, ``context59`` ignores it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import DatasetError
from ovseg.evaluation.datasets.base import (
    Dataset,
    Sample,
    Truth,
    find_root,
    official_names,
    read_split,
    require_files,
)  # fmt: skip
from ovseg.evaluation.datasets.catalog import DatasetCard
from ovseg.evaluation.datasets.rle import decode
from ovseg.evaluation.datasets.truth import ValueTable, apply_table, identity_table, read_truth, value_table
from ovseg.evaluation.metrics import VOID

SPLIT = "ImageSets/SegmentationContext/val.txt"
DETAIL = "trainval_merged.json"
MATLAB = "trainval"
LABELS = 459

# Numbers of the 59 classes among the 459 labels of the original annotation (which are in alphabetical order,
# and so are the classes: index i of the data set is entry i - 1).
_NUMBERS = (
    2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105, 113, 115, 144,
    158, 159, 162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308, 324, 326, 347, 349, 354, 355,
    360, 366, 368, 397, 415, 416, 420, 424, 427, 440, 445, 454, 458,
)  # fmt: skip


def load(card: DatasetCard, root: Path) -> Dataset:
    """Read PASCAL Context from ``VOC2010``, ``VOCdevkit`` or the folder that holds ``VOCdevkit``.

    Looked for in this order: index images (``SegmentationClassContext``), the detail API's JSON, and the
    original MATLAB files.

    Raises:
        DatasetError: None of the three is there, or it is not whole.
    """
    folder = find_root(card, root, ("VOC2010", "VOCdevkit/VOC2010"), "JPEGImages")
    classes = official_names(card)
    if (folder / "SegmentationClassContext").is_dir():
        layout = f"index images, {SPLIT}"
        names = read_split(folder / SPLIT)
        table = identity_table(len(classes), ignore_zero=not card.has_background)
        masks = [folder / "SegmentationClassContext" / f"{name}.png" for name in names]
        require_files(card, masks)
        readers: list[Callable[[], Truth]] = [partial(read_truth, mask, table) for mask in masks]
    elif (folder / DETAIL).is_file():
        layout = f"detail API, phase val of {DETAIL}"
        names, readers = _detail(folder / DETAIL, _original_table(card))
    elif (folder / MATLAB).is_dir():
        layout = f"MATLAB label maps, {SPLIT}"
        names = read_split(folder / SPLIT)
        matlab = [folder / MATLAB / f"{name}.mat" for name in names]
        require_files(card, matlab)
        readers = [partial(_read_matlab, path, _original_table(card)) for path in matlab]
    else:
        looked = ", ".join(str(folder / part) for part in ("SegmentationClassContext", DETAIL, MATLAB))
        raise DatasetError(f"{card.name}: no annotation: looked for {looked}; the tree must hold {card.tree}")
    images = [folder / "JPEGImages" / f"{name}.jpg" for name in names]
    require_files(card, images)
    return Dataset(
        card=card,
        root=folder,
        layout=layout,
        classes=classes,
        has_background=card.has_background,
        samples=tuple(Sample(*parts) for parts in zip(names, images, readers, strict=True)),
    )


def _original_table(card: DatasetCard) -> ValueTable:
    """Meaning of the 459 original labels; label 0 and the 400 rare ones are background."""
    first, rest = (1, 0) if card.has_background else (0, VOID)
    meanings = {number: i + first for i, number in enumerate(_NUMBERS)}
    # 255 is an ordinary label here: value_table's void at 255 is overwritten by the default.
    return value_table({**dict.fromkeys(range(LABELS + 1), rest), **meanings}, length=LABELS + 1)


def _detail(path: Path, table: ValueTable) -> tuple[list[str], list[Callable[[], Truth]]]:
    """Names and readers of the images in phase ``val``; masks are drawn in the order of the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images = [entry for entry in content["images"] if entry["phase"] == "val"]
        masks: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        wanted = {entry["image_id"] for entry in images}
        for annotation in content["annos_segmentation"]:
            if annotation["image_id"] in wanted:
                masks[annotation["image_id"]].append(annotation)
        names = [str(entry["file_name"]).removesuffix(".jpg") for entry in images]
        readers: list[Callable[[], Truth]] = [
            partial(
                _draw_detail,
                masks[entry["image_id"]],
                (entry["height"], entry["width"]),
                table,
                f"{path}: {name}",
            )
            for entry, name in zip(images, names, strict=True)
        ]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DatasetError(f"cannot read {path} as detail API annotation: {error!r}") from error
    return names, readers


def _draw_detail(
    annotations: list[dict[str, Any]], size: tuple[int, int], table: ValueTable, where: str
) -> Truth:
    labels = np.zeros(size, np.int32)
    for annotation in annotations:
        labels[decode(annotation["segmentation"], size, where)] = annotation["category_id"]
    return apply_table(labels, table, where)


def _read_matlab(path: Path, table: ValueTable) -> Truth:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        labels: npt.NDArray[np.integer[Any]] = loadmat(str(path), variable_names=["LabelMap"])["LabelMap"]
    except (MatReadError, OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise DatasetError(f"cannot read a LabelMap from {path}: {error!r}") from error
    return apply_table(labels.astype(np.int32), table, str(path))
