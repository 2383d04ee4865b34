"""Segmentations as files: one small module a format, each filed in ``FORMATS`` under its name.

Importing this package registers every built-in format and stays quick: torch, scikit-image and pycocotools
are imported by the writers that need them when they are made.

>>> writer = FORMATS.get("png")(RunContext(out=folder, vocabulary=vocabulary))
>>> writer.write(item)                      # once an image, from any thread
>>> writer.finish([item.stem], run)         # once, after the last image

``docs/formats.md`` describes every file that is written.
"""

from ovseg.outputs import coco, labelme, masks, objects, overlay, panoptic, report, rrle, scores, yolo
from ovseg.outputs.base import FORMATS, OutputItem, RunContext, Writer, WriterFactory, output_path
from ovseg.outputs.palette import voc_palette

__all__ = [
    "FORMATS",
    "OutputItem",
    "RunContext",
    "Writer",
    "WriterFactory",
    "coco",
    "labelme",
    "masks",
    "objects",
    "output_path",
    "overlay",
    "panoptic",
    "report",
    "rrle",
    "scores",
    "voc_palette",
    "yolo",
]
