"""COCO val2017: ``coco-object`` (80 things and background) and ``coco-stuff`` (171 classes).

Three forms of annotation are read: the index images that segmentation toolboxes make, COCO-Stuff's own
``stuffthingmaps``, and COCO's JSON, from which the maps are drawn. The drawn maps differ from the index
images where objects overlap: here the smaller lies on top.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ovseg.errors import DatasetError
from ovseg.evaluation.datasets.base import Dataset, Sample, Truth, find_root, official_names, require_files
from ovseg.evaluation.datasets.catalog import DatasetCard
from ovseg.evaluation.datasets.rle import decode
from ovseg.evaluation.datasets.truth import identity_table, read_truth, value_table
from ovseg.evaluation.metrics import VOID

_UNUSED_THINGS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
THINGS = tuple(i for i in range(1, 91) if i not in _UNUSED_THINGS)
"""COCO's category ids of the 80 things, in index order."""
STUFF = tuple(range(92, 183))
"""COCO-Stuff's category ids of the 91 kinds of stuff, in index order."""

_MAPS = ("stuffthingmaps/val2017", "stuffthingmaps_trainval2017/val2017")
_INSTANCES, _STUFF_JSON = "annotations/instances_val2017.json", "annotations/stuff_val2017.json"


def load_object(card: DatasetCard, root: Path) -> Dataset:
    """Read COCO-Object: index 0 is background, things 1 to 80.

    Raises:
        DatasetError: The tree is missing or not whole.
    """
    meanings = {number: i + 1 for i, number in enumerate(THINGS)}
    return _load(card, root, "_instanceTrainIds.png", (_INSTANCES,), meanings, empty=0)


def load_stuff(card: DatasetCard, root: Path) -> Dataset:
    """Read COCO-Stuff: things 0 to 79, stuff 80 to 170, unlabelled pixels void.

    Raises:
        DatasetError: The tree is missing or not whole.
    """
    meanings = {number: i for i, number in enumerate(THINGS + STUFF)}
    return _load(card, root, "_labelTrainIds.png", (_STUFF_JSON, _INSTANCES), meanings, empty=VOID)


def _load(
    card: DatasetCard, root: Path, suffix: str, jsons: tuple[str, ...], meanings: dict[int, int], empty: int
) -> Dataset:
    """Find images and whichever annotation there is; ``empty`` is what pixels of no category mean."""
    pictures = find_root(card, root, ("images",), "val2017") / "val2017"
    classes = official_names(card)
    readers: dict[str, Callable[[], Truth]]
    masks = {
        path.name.removesuffix(suffix): path for path in (root / "annotations/val2017").glob(f"*{suffix}")
    }
    maps = next((root / part for part in _MAPS if (root / part).is_dir()), None)
    if masks:
        layout = f"index images annotations/val2017/*{suffix}"
        table = identity_table(len(classes))
        readers = {name: partial(read_truth, path, table) for name, path in sorted(masks.items())}
    elif maps is not None:
        # stuffthingmaps hold category id - 1; a category that is no class is ``empty``.
        layout = f"{maps.relative_to(root)}/*.png"
        classes_by_value = {number - 1: meaning for number, meaning in meanings.items()}
        table = value_table({**dict.fromkeys(range(STUFF[-1]), empty), **classes_by_value})
        readers = {path.stem: partial(read_truth, path, table) for path in sorted(maps.glob("*.png"))}
    elif all((root / part).is_file() for part in jsons):
        layout = f"drawn from {' and '.join(jsons)}, smaller objects on top"
        readers = _drawn([root / part for part in jsons], meanings, empty)
    else:
        looked = ", ".join(str(root / part) for part in (f"annotations/val2017/*{suffix}", *_MAPS, *jsons))
        raise DatasetError(f"{card.name}: no annotation: looked for {looked}; the tree must hold {card.tree}")
    images = [pictures / f"{name}.jpg" for name in readers]
    require_files(card, images)
    unlabelled = sum(1 for _ in pictures.glob("*.jpg")) - len(images)
    if unlabelled > 0:
        raise DatasetError(
            f"{card.name}: {unlabelled} of {unlabelled + len(images)} images in {pictures} have no annotation"
            f" in the layout found ({layout}): unpack it again"
        )
    return Dataset(
        card=card,
        root=root,
        layout=layout,
        classes=classes,
        has_background=card.has_background,
        samples=tuple(
            Sample(name, image, reader) for (name, reader), image in zip(readers.items(), images, strict=True)
        ),
    )


def _drawn(paths: list[Path], meanings: dict[int, int], empty: int) -> dict[str, Callable[[], Truth]]:
    """Readers that draw the annotations of each image, those of later files over those of earlier ones."""
    sizes: dict[Any, tuple[str, int, int]] = {}
    layers: dict[Any, list[tuple[int, float, int, Any]]] = defaultdict(list)
    for depth, path in enumerate(paths):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            for entry in content["images"]:
                sizes[entry["id"]] = (Path(entry["file_name"]).stem, entry["height"], entry["width"])
            for annotation in content["annotations"]:
                # Categories that are no class (COCO-Stuff's 183, "other") leave the pixel as it is.
                if (meaning := meanings.get(annotation["category_id"])) is not None:
                    layer = (depth, -float(annotation["area"]), meaning, annotation["segmentation"])
                    layers[annotation["image_id"]].append(layer)
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"cannot read {path} as COCO annotation: {error!r}") from error
    return {
        name: partial(_draw, layers[image_id], (height, width), empty, f"{paths[0].name}: {name}")
        for image_id, (name, height, width) in sorted(sizes.items(), key=lambda item: item[1][0])
    }


def _draw(layers: list[tuple[int, float, int, Any]], size: tuple[int, int], empty: int, where: str) -> Truth:
    truth = np.full(size, empty, np.uint8)
    for _, _, meaning, segmentation in sorted(layers, key=lambda layer: layer[:3]):
        truth[decode(segmentation, size, where)] = meaning
    return truth
