"""Boxes of objects, true or found, from the files that hold them: XYXY in pixels, exclusive ends."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from ovseg.errors import InputError, reason

__all__ = ["Box", "read_predicted_boxes", "read_true_boxes"]

Box = tuple[float, float, float, float]


def read_true_boxes(path: Path) -> dict[str, list[Box]]:
    """Boxes of objects by image name (without suffix).

    Args:
        path: A folder of VOC annotation (``NAME.xml``); or COCO JSON (crowds are left out); or a boxes file:
            JSON of name to a list of boxes or of ``{"box": [x0, y0, x1, y1], "crowd": 0}``; or CSV with the
            columns ``name, x0, y0, x1, y1``.

    Raises:
        InputError: It is none of these, or damaged.
    """
    if path.is_dir():
        files = sorted(path.glob("*.xml"))
        if not files:
            raise InputError(f"{path} holds no annotation NAME.xml")
        return {file.stem: _voc_boxes(file) for file in files}
    if path.suffix.lower() == ".csv":
        return _csv_boxes(path)
    content = _json(path)
    try:
        if "annotations" in content and "images" in content:
            return _coco_boxes(content)
        return {_stem(name): _listed_boxes(entries) for name, entries in content.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"cannot read boxes from {path}: {error!r}") from error


def read_predicted_boxes(path: Path) -> dict[str, Box | None]:
    """The best box of each image, by name without suffix; None where nothing was found.

    Args:
        path: JSON of name to a list of boxes, best first (as ``ovseg discover`` writes it), or to one box.

    Raises:
        InputError: It is not such a file.
    """
    content = _json(path)
    try:
        return {_stem(name): _first_box(entries) for name, entries in content.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"cannot read boxes from {path}: {error!r}") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read boxes from {path}: {reason(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"cannot read boxes from {path}: expected an object of name to boxes")
    return content


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    image = path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
    return path.with_suffix("").as_posix() if image else name


def _box(values: Any) -> Box:
    x0, y0, x1, y1 = (float(value) for value in values)
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"empty box {values}")
    return x0, y0, x1, y1


def _listed_boxes(entries: Any) -> list[Box]:
    return [
        _box(entry["box"] if isinstance(entry, Mapping) else entry)
        for entry in entries
        if not (isinstance(entry, Mapping) and entry.get("crowd"))
    ]


def _first_box(entries: Any) -> Box | None:
    if not entries:
        return None
    first = entries if isinstance(entries[0], (int, float)) else entries[0]
    return _box(first["box"] if isinstance(first, Mapping) else first)


def _coco_boxes(content: Mapping[str, Any]) -> dict[str, list[Box]]:
    names = {image["id"]: _stem(str(image["file_name"])) for image in content["images"]}
    boxes: dict[str, list[Box]] = {name: [] for name in names.values()}
    for annotation in content["annotations"]:
        x, y, width, height = (float(value) for value in annotation["bbox"])
        if not annotation.get("iscrowd") and width > 0 and height > 0:
            boxes[names[annotation["image_id"]]].append((x, y, x + width, y + height))
    return boxes


def _voc_boxes(path: Path) -> list[Box]:
    """VOC counts pixels from 1 and includes both ends."""
    try:
        root = ElementTree.parse(path).getroot()
        boxes = []
        for found in root.findall("object/bndbox"):
            x0, y0, x1, y1 = (float(found.findtext(key) or "") for key in ("xmin", "ymin", "xmax", "ymax"))
            boxes.append(_box((x0 - 1, y0 - 1, x1, y1)))
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise InputError(f"cannot read boxes from {path}: {reason(error)}") from error
    return boxes


def _csv_boxes(path: Path) -> dict[str, list[Box]]:
    boxes: dict[str, list[Box]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.DictReader(stream):
                boxes[_stem(row["name"])].append(_box([row[key] for key in ("x0", "y0", "x1", "y1")]))
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"cannot read boxes from {path}: {error!r}") from error
    return dict(boxes)
