"""Preview sheets: per class one page of its support images, what was found in them, and what was rejected."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.files import TEMPORARY_PREFIX, write_text
from ovseg.images.resize import resized
from ovseg.outputs.html import data_url, page_head

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

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; padding: 0 1rem;
  color: #222; background: #fafaf8; }
h1 { font-size: 1.4rem; } .soft { color: #666; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 1rem; }
figure { margin: 0; background: #fff; border: 1px solid #ddd; border-radius: 6px; padding: .5rem; }
figure img { width: 100%; height: auto; display: block; } figcaption { font-size: .8rem;
  overflow-wrap: anywhere; } .rejected { opacity: .75; border-color: #c33; } .rejected b { color: #a11; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #1b1b1a; }
  figure { background: #252524; border-color: #444; } .soft { color: #999; } }
"""
_FRONT, _BACK = (40, 200, 90), (70, 90, 220)
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


def small_picture(pixels: Pixels) -> Pixels:
    """(H, W, 3) scaled down to a longer side of 320 at most."""
    scale = min(1.0, SIDE / max(pixels.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return pixels if scale == 1 else np.asarray(resized(pixels, (height, width)))


def drawn(picture: Pixels, foreground: Mask | None = None, background: Mask | None = None) -> Pixels:
    """A picture with its foreground (green) and background (blue) regions, (h, w) each, laid over it."""
    values = picture.astype(np.float32)
    for mask, colour, strength in ((foreground, _FRONT, 0.45), (background, _BACK, 0.35)):
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
    body = (
        f'<h1>{escape(title)}</h1>\n<p class="soft">{escape(summary)}</p>\n'
        '<p class="soft">Green: the class. Blue: surely not the class. The rest is used for neither.</p>\n'
        f'<div class="grid">\n{"".join(map(_figure, ordered))}</div>\n'
    )
    write_text(path, _page(title, body))


def write_index(folder: Path, classes: Sequence[tuple[str, str]]) -> None:
    """Write a page that leads to the sheets: (name, summary) of every class in order."""
    items = "".join(
        f'<li><a href="{sheet_name(index, name)}">{escape(name)}</a>: {escape(summary)}</li>\n'
        for index, (name, summary) in enumerate(classes)
    )
    write_text(folder / INDEX, _page("Support images", f"<h1>Support images</h1>\n<ul>\n{items}</ul>\n"))


def clear_sheets(folder: Path, names: Sequence[str]) -> None:
    """Remove sheets of classes that are no longer there, what a kill left half written, and nothing else."""
    wanted = {sheet_name(index, name) for index, name in enumerate(names)}
    for path in folder.iterdir() if folder.is_dir() else ():
        old = _SHEET.fullmatch(path.name) and path.name not in wanted
        if old or path.name.startswith(TEMPORARY_PREFIX):
            path.unlink()


def _figure(entry: SheetEntry) -> str:
    picture = data_url(Image.fromarray(entry.picture), "JPEG", quality=82)
    height, width = entry.picture.shape[:2]
    said = f"<b>rejected: {escape(entry.rejected)}</b>" if entry.rejected else f"score {entry.score:.2f}"
    return (
        f"<figure{' class=rejected' if entry.rejected else ''}>"
        f'<img src="{picture}" width="{width}" height="{height}" alt="">'
        f'<figcaption title="{escape(_all_facts(entry))}">{escape(_short_name(entry.name))}<br>{said}<br>'
        f'<span class="soft">{escape(_caption(entry.metadata))}</span></figcaption></figure>\n'
    )


def _caption(metadata: Mapping[str, Any]) -> str:
    """The facts that tell one picture from another: plain values, and the name of the model."""
    shown = {key: value for key, value in metadata.items() if isinstance(value, str | int | float)}
    shown = {key: value for key, value in shown.items() if key not in _TOOLTIP_ONLY}
    settings = metadata.get("settings")
    model = settings.get("model") if isinstance(settings, Mapping) else None
    if isinstance(model, Mapping) and isinstance(model.get("name"), str):
        shown["model"] = model["name"]
    return ", ".join(f"{key} {_short(value)}" for key, value in shown.items())


def _all_facts(entry: SheetEntry) -> str:
    """The whole name and every fact, one a line."""
    return "\n".join((entry.name, *(f"{key}: {_short(value)}" for key, value in entry.metadata.items())))


def _short_name(name: str) -> str:
    """A name as it is, or where it is long its last part."""
    return name if len(name) <= _NAME else f"…/{name.rpartition('/')[2]}"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, str) else json.dumps(value)


def _page(title: str, body: str) -> str:
    return f"{page_head(title, _STYLE)}{body}</body>\n</html>\n"
