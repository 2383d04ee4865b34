"""Segmentations as files: one small module a format, found in ``FORMATS`` under its name.

A format is imported when it is asked for; torch, scikit-image and pycocotools are imported by the writers
that need them when they are made.

>>> writer = FORMATS.get("png")(RunContext(out=folder, vocabulary=vocabulary))
>>> writer.write(item)                      # once an image, from any thread
>>> writer.finish([item.stem], run)         # once, after the last image

``docs/formats.md`` describes every file that is written.
"""

from ovseg.outputs.base import (
    FORMATS,
    OutputItem,
    RunContext,
    Writer,
    WriterFactory,
    make_writers,
    output_path,
)
from ovseg.outputs.palette import voc_palette

__all__ = [
    "FORMATS",
    "OutputItem",
    "RunContext",
    "Writer",
    "WriterFactory",
    "make_writers",
    "output_path",
    "voc_palette",
]
