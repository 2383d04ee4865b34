"""What a person marked in a support photo: mask, boxes, points, scribbles (the visual prompts of SEEM)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ovseg.errors import InputError, reason
from ovseg.images import load_image
from ovseg.support.base import UNKNOWN

__all__ = ["MASK", "MASKS", "annotations_path", "draw_annotations", "mask_paths", "read_annotation"]

MASK, MARKS, MASKS = ".mask.png", ".marks.json", "masks"
"""Endings of the files beside ``photo.jpg``, and the folder that may hold ``photo.png`` instead."""
BRUSH = 0.015
"""Radius of points and half the width of scribbles, as a share of the photo's longer side."""
MAX_BYTES = 2**20
"""Largest marks file."""
_KINDS = ("boxes", "points", "scribbles")

Mark = npt.NDArray[np.uint8]


def mask_paths(photo: Path) -> tuple[Path, Path]:
    """Where the mask of a photo may lie: ``photo.mask.png`` or ``masks/photo.png``."""
    return photo.with_name(photo.stem + MASK), photo.parent / MASKS / f"{photo.stem}.png"


def annotations_path(photo: Path) -> Path:
    """Where boxes, points and scribbles may lie: ``photo.marks.json``."""
    return photo.with_name(photo.stem + MARKS)


def read_annotation(photo: Path, size: tuple[int, int]) -> Mark | None:
    """The mark of a photo of (H, W) pixels, or None where there is none.

    Raises:
        InputError: The mask or the marks file cannot be read, or does not fit the photo.
    """
    found = [path for path in (*mask_paths(photo), annotations_path(photo)) if path.is_file()]
    if not found:
        return None
    if len(found) > 1:
        raise InputError(
            f"{photo} is marked twice, by {found[0].name} and {found[1].name}: leave one of them"
        )
    if found[0].suffix == ".json":
        return draw_annotations(_read_json(found[0]), size, str(found[0]))
    return _read_mask(found[0], size)


def _read_mask(path: Path, size: tuple[int, int]) -> Mark:
    """1 the class, 0 not, ``UNKNOWN``; a file of 0 and 255 is black and white, one with 1 too has voids."""
    with _opened(path) as image:
        # An indexed image is read as its indices, which its palette says nothing about.
        values = np.asarray(image if image.mode in ("P", "L") else image.convert("L"))
    if values.shape != size:
        raise InputError(
            f"mask {path} has {values.shape[1]}x{values.shape[0]} pixels, its photo {size[1]}x{size[0]}"
        )
    known = set(np.unique(values).tolist())
    if known <= {0, 255}:
        return np.where(values == 255, 1, 0).astype(np.uint8)
    if known <= {0, 1, UNKNOWN}:
        return values.astype(np.uint8)
    odd = sorted(known - {0, 1, 255})[:3]
    raise InputError(
        f"mask {path} holds {', '.join(map(str, odd))}: use 0 and 255, or 0, 1 and 255 for what nobody knows"
    )


def _opened(path: Path) -> Image.Image:
    load_image(path)  # whatever is wrong with the file is said there, with all its limits
    return Image.open(path)


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"cannot read {path}: marks take more than {MAX_BYTES} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error


def draw_annotations(table: Any, size: tuple[int, int], where: str) -> Mark:
    """Turn a marks file into pixels.

    Args:
        table: ``{"boxes": [[x0, y0, x1, y1], …], "points": [[x, y], …], "scribbles": [[[x, y], …], …],
            "not": {the same: what is not the class}}``, in pixels of the photo, each part optional. What lies
            outside all boxes is not the class; inside, nothing is said but by points and scribbles.
        size: (H, W) of the photo.
        where: What the error message begins with.

    Returns:
        (H, W) uint8: 1 the class, 0 not the class, ``UNKNOWN``.

    Raises:
        InputError: An unknown key, a shape that is none, a place outside the photo, or nothing marked.
    """
    height, width = size
    if not isinstance(table, dict) or not set(table) <= {*_KINDS, "not"}:
        raise InputError(f"{where}: marks are a table of boxes, points, scribbles and not")
    canvas = Image.new("L", (width, height), UNKNOWN)
    draw = ImageDraw.Draw(canvas)
    boxes = _shapes(table, "boxes", size, where)
    if boxes:
        draw.rectangle((0, 0, width, height), fill=0)
        for box in boxes:
            draw.rectangle(_corners(box, where), fill=UNKNOWN)
    other = table.get("not", {})
    if not isinstance(other, dict) or not set(other) <= set(_KINDS):
        raise InputError(f"{where}: not is a table of boxes, points and scribbles")
    for box in _shapes(other, "boxes", size, where):
        draw.rectangle(_corners(box, where), fill=0)
    radius = max(1.0, BRUSH * max(size))
    for value, part in ((0, other), (1, table)):
        lines = [[point] for point in _shapes(part, "points", size, where)]
        for line in [*lines, *_shapes(part, "scribbles", size, where)]:
            draw.line([tuple(point) for point in line], fill=value, width=round(2 * radius), joint="curve")
            for x, y in line:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=value)
    mark = np.array(canvas)
    if not boxes and not (mark == 1).any():
        raise InputError(f"{where}: nothing is marked as the class: add boxes, points or scribbles")
    return mark


def _shapes(table: dict[str, Any], kind: str, size: tuple[int, int], where: str) -> list[Any]:
    """The checked shapes of one kind: numbers inside the photo, of the right depth."""
    shapes = table.get(kind, [])
    if not isinstance(shapes, list):
        raise InputError(f"{where}: {kind} must be a list")
    for shape in shapes:
        if kind == "boxes":
            points = [shape[:2], shape[2:]] if isinstance(shape, list) and len(shape) == 4 else [None]
        else:
            points = shape if kind == "scribbles" and isinstance(shape, list) and shape else [shape]
        for point in points:
            if not _is_place(point, size):
                raise InputError(
                    f"{where}: {kind} holds {json.dumps(shape)[:60]}: expected pixels of a photo of"
                    f" {size[1]}x{size[0]}"
                )
    return shapes


def _is_place(point: Any, size: tuple[int, int]) -> bool:
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in point)
        and 0 <= point[0] <= size[1]
        and 0 <= point[1] <= size[0]
    )


def _corners(box: list[float], where: str) -> tuple[float, float, float, float]:
    """A box as Pillow fills it: its right and lower ends are part of it there, and not in ours."""
    if not (box[0] < box[2] and box[1] < box[3]):
        raise InputError(f"{where}: the box {box} has no inside: write x0, y0, x1, y1")
    x0, y0 = round(box[0]), round(box[1])
    return x0, y0, max(x0, round(box[2]) - 1), max(y0, round(box[3]) - 1)
