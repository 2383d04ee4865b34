"""Format ``labelme``: one JSON an image with editable polygons."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from ovseg.files import write_json
from ovseg.outputs.base import OutputItem, RunContext, output_path, require_skimage
from ovseg.outputs.components import Component
from ovseg.outputs.polygons import outline, painters_order

__all__ = ["LabelmeWriter"]

_VERSION = "5.0.0"
"""Version of labelme whose layout this is; newer ones read it."""


class LabelmeWriter:
    """``OUT/labelme/<stem>.json``: a polygon a piece, in pixels of the image file; the photo by its path.

    Pieces of a class that is no countable thing share a ``group_id``, the class's label: they are parts of
    one region. A piece of a thing, and a piece that is alone, has none.
    """

    def __init__(self, context: RunContext) -> None:
        require_skimage("labelme")
        self._context = context
        self._root = context.out / "labelme"

    def write(self, item: OutputItem) -> None:
        """Write the polygons of one image."""
        path = output_path(self._root, item.stem, ".json")
        pieces = Counter(component.label for component in item.components)
        content: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": [self._shape(piece, item, pieces) for piece in painters_order(item.components)],
            "imagePath": _relative(item.source, path.parent),
            "imageData": None,
            "imageHeight": item.size[0],
            "imageWidth": item.size[1],
        }
        write_json(path, content, indent=None)

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path | None:
        """Nothing is left to do."""
        return None

    def _shape(self, piece: Component, item: OutputItem, pieces: Counter[int]) -> dict[str, Any]:
        points = outline(piece, item.segmentation.labels.shape, item.size)
        spec = self._context.vocabulary.classes[piece.label - 1]
        parts = spec.kind != "thing" and pieces[piece.label] > 1
        return {
            "label": spec.name,
            "points": points.round(2).tolist(),
            "group_id": piece.label if parts else None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
        }


def _relative(source: Path, folder: Path) -> str:
    """Path of the photo as labelme looks for it: from the JSON file's folder, with forward slashes."""
    try:
        return Path(os.path.relpath(source, folder)).as_posix()
    except ValueError:  # on another drive (Windows) there is no relative path
        return source.absolute().as_posix()
