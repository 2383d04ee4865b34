"""Format ``yolo``: polygons as text, as YOLO trainers for segmentation read them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from ovseg.files import write_text
from ovseg.outputs.base import OutputItem, RunContext, output_path, require_skimage
from ovseg.outputs.components import Component
from ovseg.outputs.polygons import outline, painters_order

__all__ = ["YoloWriter"]

_HEADER = """\
# Put the photos (or links to them) below images/, in the same folders as their labels are below labels/.
# Polygons have no holes: what lies in a hole is a later line of the same file.
train: images
val: images
"""


class YoloWriter:
    """``OUT/yolo/labels/<stem>.txt`` and ``OUT/yolo/data.yaml``.

    A line is one piece: its class (label minus 1) and X Y of at least three points, in parts of the image's
    width and height. Large pieces come first.
    """

    def __init__(self, context: RunContext) -> None:
        require_skimage("yolo")
        self._context = context
        self._root = context.out / "yolo"

    def write(self, item: OutputItem) -> None:
        """Write the polygons of one image; the file is empty where nothing was found."""
        shape = item.segmentation.labels.shape
        lines = [_line(component, shape) for component in painters_order(item.components)]
        write_text(output_path(self._root / "labels", item.stem, ".txt"), "".join(lines))

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path:
        """Write the list of classes."""
        names = (f"  {i}: {_quoted(spec.name)}\n" for i, spec in enumerate(self._context.vocabulary.classes))
        path = self._root / "data.yaml"
        write_text(path, _HEADER + "names:\n" + "".join(names))
        return path


def _line(component: Component, shape: tuple[int, int]) -> str:
    points = outline(component, shape, size=(1, 1))
    return " ".join((str(component.label - 1), *(f"{value:.6f}" for value in points.ravel()))) + "\n"


def _quoted(text: str) -> str:
    """A YAML scalar in double quotes; what cannot be printed is escaped (YAML 1.2, section 5.7)."""
    plain = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in text)
    return f'"{"".join(plain)}"'
