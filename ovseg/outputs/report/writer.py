"""Write the run report: a fragment per image while the run goes on, one page at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from ovseg.outputs.base import OutputItem, RunContext
from ovseg.outputs.fragments import Fragments
from ovseg.outputs.layer import label_layer
from ovseg.outputs.overlay import display_size
from ovseg.outputs.pages import data_url, write_page
from ovseg.outputs.report.content import ImageEntry, image_entry, report_head
from ovseg.outputs.report.totals import Totals
from ovseg.outputs.statistics import class_figures

__all__ = ["PICTURES", "REPORT", "ROWS", "ReportWriter"]

REPORT = "report.html"
PICTURES = 200
"""Images that the page shows; a browser should open it in a second, and a mail should carry it."""
ROWS = 2000
"""Images after those that it still lists by name."""
_LONG_SIDE = 640


class ReportWriter:
    """``OUT/report.html``: facts of the run, its classes, and its first images to look at and compare."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._fragments = Fragments(context.out, "html")

    def write(self, item: OutputItem) -> None:
        """Keep one image's figures, and its pictures where it is among the first."""
        known = self._context.has_confidence
        figures = {
            str(label): [round(found.share, 6), round(found.confidence, 4) if known else None]
            for label, found in class_figures(item.segmentation).items()
        }
        fragment: dict[str, Any] = {"name": item.file_name, "size": list(item.size), "labels": figures}
        if item.index < PICTURES:
            fragment["picture"] = _picture(item)
        self._fragments.write(item.stem, fragment)

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path:
        """Write the page; fragments are read for the totals above and again for the images below."""
        totals = Totals()
        pictured: list[PurePosixPath] = []
        plain: list[PurePosixPath] = []
        for stem, fragment in zip(stems, self._fragments.read(stems), strict=True):
            totals.add(fragment["labels"], fragment["size"])
            if "picture" in fragment and len(pictured) < PICTURES:
                pictured.append(stem)
            elif len(plain) < ROWS:
                plain.append(stem)
        vocabulary = self._context.vocabulary
        return write_page(
            self._context.out / REPORT,
            "report.html",
            **report_head(run, totals, vocabulary),
            cards=self._entries(pictured),
            rows=self._entries(plain),
            listed=len(plain),
            left=totals.images - len(pictured) - len(plain),
        )

    def _entries(self, stems: list[PurePosixPath]) -> Iterator[ImageEntry]:
        """Images as the page shows them, one in memory at a time."""
        names = self._context.vocabulary.names
        return (image_entry(fragment, names) for fragment in self._fragments.read(stems))


def _picture(item: OutputItem) -> dict[str, Any]:
    height, width = display_size(item.image.shape[:2], smallest=1, largest=_LONG_SIDE)
    photo = Image.fromarray(item.image)
    if photo.size != (width, height):
        photo = photo.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return {
        "width": width,
        "height": height,
        "photo": data_url(photo, "JPEG", quality=80),
        "layer": data_url(label_layer(item.segmentation.labels, (height, width)), "PNG"),
    }
