"""Preview sheets: per class one page of its support images, what was found in them, and what was rejected."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.files import TEMPORARY_PREFIX
from ovseg.images.resize import resized
from ovseg.outputs.pages import write_page
from ovseg.outputs.palette import BACKGROUND_REGION, FOREGROUND_REGION

__all__ = [
    "SheetEntry",
    "clear_sheets",
    "drawn",
    "sheet_name",
    "small_picture",
    "write_index",
    "write_sheet",
    "write_single_sheet",
]

SIDE = 320
"""Longer side of a picture in pixels at most."""
INDEX = "index.html"

_NAME = 40
"""Longest name that a caption shows whole."""
_TOOLTIP_ONLY = frozenset(("negative_prompt", "word", "pixels", "path"))
"""Facts that are the same on a whole page, or that only a program reads."""

_SHEET = re.compile(r"\d{4,}-[\w-]*\.html")

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SheetEntry:
    """One support image on a sheet.

    Attributes:
        picture: (H, W, 3) uint8, small, with its regions drawn.
        name: Of the image.
        metadata: Where it comes from. What fits into a caption is shown, all of it stands in the tooltip.
        score: How sure its region is, in [0, 1].
        rejected: Why it was not used, or None.
    """

    picture: Pixels
    name: str
    metadata: Mapping[str, Any]
    score: float
    rejected: str | None = None

    @property
    def short_name(self) -> str:
        """The name, or where it is long its last part."""
        return self.name if len(self.name) <= _NAME else f"…/{self.name.rpartition('/')[2]}"

    @property
    def caption(self) -> str:
        """The metadata that tells one picture from another: plain values, and the name of the model."""
        shown = {
            key: value
            for key, value in self.metadata.items()
            if isinstance(value, str | int | float) and key not in _TOOLTIP_ONLY
        }
        settings = self.metadata.get("settings")
        model = settings.get("model") if isinstance(settings, Mapping) else None
        if isinstance(model, Mapping) and isinstance(model.get("name"), str):
            shown["model"] = model["name"]
        return ", ".join(f"{key} {_short(value)}" for key, value in shown.items())

    @property
    def tooltip(self) -> str:
        """The whole name and every fact, one per line."""
        return "\n".join((self.name, *(f"{key}: {_short(value)}" for key, value in self.metadata.items())))


def small_picture(pixels: Pixels) -> Pixels:
    """(H, W, 3) scaled down to a longer side of 320 at most."""
    scale = min(1.0, SIDE / max(pixels.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return pixels if scale == 1 else np.asarray(resized(pixels, (height, width)))


def drawn(picture: Pixels, foreground: Mask | None = None, background: Mask | None = None) -> Pixels:
    """A picture with its foreground (green) and background (blue) regions, (h, w) each, laid over it."""
    values = picture.astype(np.float32)
    for mask, colour, strength in (
        (foreground, FOREGROUND_REGION, 0.45),
        (background, BACKGROUND_REGION, 0.35),
    ):
        if mask is None or not mask.any():
            continue
        size = (picture.shape[1], picture.shape[0])
        wide = np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)) > 0
        values[wide] = (1 - strength) * values[wide] + strength * np.array(colour, np.float32)
    return values.round().astype(np.uint8)


def sheet_name(index: int, name: str) -> str:
    """File name of the sheet of the class at ``index``, whatever stands in its name."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:40]
    return f"{index + 1:04}-{plain}.html"


def write_sheet(folder: Path, index: int, name: str, summary: str, entries: Sequence[SheetEntry]) -> None:
    """Write the sheet of a class: one self-contained page, used images first.

    Raises:
        OutputError: It cannot be written.
    """
    write_single_sheet(folder / sheet_name(index, name), name, summary, entries)


def write_single_sheet(path: Path, title: str, summary: str, entries: Sequence[SheetEntry]) -> None:
    """Write a page of support images to ``path``, used ones first, the surest first."""
    ordered = sorted(entries, key=lambda entry: (entry.rejected is not None, -entry.score))
    write_page(path, "support_sheet.html", title=title, summary=summary, entries=ordered)


def write_index(folder: Path, classes: Sequence[tuple[str, str]]) -> None:
    """Write a page that leads to the sheets: (name, summary) of every class in order."""
    sheets = [
        {"file": sheet_name(index, name), "name": name, "summary": summary}
        for index, (name, summary) in enumerate(classes)
    ]
    write_page(folder / INDEX, "support_index.html", sheets=sheets)


def clear_sheets(folder: Path, names: Sequence[str]) -> None:
    """Remove sheets of classes that are no longer there, what a kill left half written, and nothing else."""
    wanted = {sheet_name(index, name) for index, name in enumerate(names)}
    for path in folder.iterdir() if folder.is_dir() else ():
        old = _SHEET.fullmatch(path.name) and path.name not in wanted
        if old or path.name.startswith(TEMPORARY_PREFIX):
            path.unlink()


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, str) else json.dumps(value)
