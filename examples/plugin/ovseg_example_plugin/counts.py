"""Format ``class-counts``: ``counts.csv``, a line a photo with the pixels of every class."""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ovseg.outputs import OutputItem, RunContext
from ovseg.outputs.fragments import Fragments, open_text
from ovseg_example_plugin.settings import CountSettings


class CountWriter:
    """``OUT/counts.csv``: path of the photo, then a column a class, of pixels of the label map."""

    def __init__(self, context: RunContext, settings: CountSettings) -> None:
        self._context, self._settings = context, settings
        self._fragments = Fragments(context.out, "class-counts")

    def write(self, item: OutputItem) -> None:
        """Count one photo; called from threads, so that each photo has a file of its own."""
        names = item.segmentation.names
        counts = np.bincount(item.segmentation.labels.ravel(), minlength=len(names))[: len(names)]
        self._fragments.write(item.stem, {"photo": item.file_name, "counts": counts.tolist()})

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path:
        """Join the photos in their order."""
        path, first = self._context.out / "counts.csv", 0 if self._settings.background else 1
        names = ("background", *(spec.name for spec in self._context.vocabulary.classes))
        with open_text(path) as stream:
            table = csv.writer(stream, delimiter=self._settings.separator, lineterminator="\n")
            table.writerow(["photo", *names[first:]])
            for part in self._fragments.read(stems):
                table.writerow([part["photo"], *part["counts"][first:]])
        return path
