"""The legend under an overlay: a swatch, the name and the share of each class that occurs."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from ovseg.outputs.palette import voc_palette
from ovseg.types import LabelMap

__all__ = ["LegendEntry", "draw_legend", "legend_entries", "percent", "printable_name"]

_PAPER, _INK, _MUTED, _OUTLINE = (250, 250, 248), (28, 28, 30), (110, 110, 115), (150, 150, 155)
_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "Đ": "D",
        "ı": "i",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "–": "-",
        "—": "-",
        "’": "'",
        "‘": "'",
    }
)


@dataclass(frozen=True)
class LegendEntry:
    """One line of the legend.

    Attributes:
        label: Label in the mask.
        name: What it is called.
        share: Its part of the picture, in [0, 1].
    """

    label: int
    name: str
    share: float


def legend_entries(segmentation: LabelMap) -> list[LegendEntry]:
    """What occurs in a segmentation: classes by falling share, then background, then what got no answer."""
    shares = segmentation.shares()
    classes = sorted(
        (label for label in shares if label not in (0, segmentation.void)),
        key=lambda label: (-shares[label], label),
    )
    entries = [LegendEntry(label, segmentation.names[label], shares[label]) for label in classes]
    if 0 in shares:
        entries.append(LegendEntry(0, "background", shares[0]))
    if segmentation.void in shares:
        entries.append(LegendEntry(segmentation.void, "no answer", shares[segmentation.void]))
    return entries


def percent(share: float) -> str:
    """A share as people read it: ``"<0.1 %"``, ``"3.2 %"``, ``"41 %"``."""
    if 0 < share < 0.001:
        return "<0.1 %"
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"


def printable_name(name: str, label: int, font: ImageFont.FreeTypeFont) -> str:
    """``name`` as far as the font can write it: accents dropped, or ``class 3`` where letters are missing.

    Pillow's built-in font has ASCII only; with fonts of the machine, pictures would differ between machines.
    """
    folded = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    folded = "".join(c for c in folded if not unicodedata.combining(c))
    if folded.isprintable() and all(_has_glyph(c, font) for c in folded):
        return folded
    return f"class {label}"


def draw_legend(entries: list[LegendEntry], width: int, *, font_size: int, rows: int = 6) -> Image.Image:
    """Draw the legend as a strip of ``width`` pixels, as high as it needs to be, up to ``rows`` lines.

    Entries flow from left to right; a name that is wider than the strip is cut, and entries that do not fit
    are counted at the end.
    """
    font = _font(font_size)
    pad, swatch, gap = round(font_size * 0.9), font_size, round(font_size * 0.5)
    line_height = round(font_size * 1.75)
    room = max(width - 2 * pad, 1)

    placed: list[tuple[int, int, LegendEntry, str, str]] = []
    x = row = 0
    for entry in entries:
        share = percent(entry.share)
        fixed = swatch + 2 * gap + font.getlength(share)
        name = _shortened(printable_name(entry.name, entry.label, font), room - fixed, font)
        needed = int(fixed + font.getlength(name)) + 1
        if x and x + needed > room:
            x, row = 0, row + 1
        placed.append((x, row, entry, name, share))
        x += needed + 2 * pad
    hidden = sum(place >= rows for _, place, *_ in placed)
    shown_rows = min(row + 1, rows)

    height = 2 * round(pad * 0.6) + line_height * (shown_rows + (hidden > 0)) if entries else 0
    strip = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(strip)
    top = round(pad * 0.6)
    for x, place, entry, name, share in placed:
        if place >= rows:
            continue
        left, middle = pad + x, top + place * line_height + line_height // 2
        box = (left, middle - swatch // 2, left + swatch - 1, middle - swatch // 2 + swatch - 1)
        fill = None if entry.label == 0 else tuple(int(v) for v in voc_palette(entry.label + 1)[entry.label])
        draw.rounded_rectangle(box, radius=swatch // 5, fill=fill, outline=_OUTLINE)
        at = left + swatch + gap
        draw.text((at, middle), name, _INK, font, anchor="lm")
        draw.text((at + font.getlength(name) + gap, middle), share, _MUTED, font, anchor="lm")
    if hidden:
        draw.text(
            (pad, top + shown_rows * line_height + line_height // 2),
            f"and {hidden} more",
            _MUTED,
            font,
            anchor="lm",
        )
    return strip


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("this Pillow was built without FreeType")
    return font


@lru_cache(maxsize=4096)
def _has_glyph(character: str, font: ImageFont.FreeTypeFont) -> bool:
    # Characters that a font lacks are drawn as the glyph of U+FFFF, which no font has.
    return character == " " or bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


def _shortened(text: str, room: float, font: ImageFont.FreeTypeFont) -> str:
    if font.getlength(text) <= room:
        return text
    fitting = bisect_right(range(len(text)), room, key=lambda length: font.getlength(text[:length] + "…")) - 1
    return text[: max(fitting, 0)].rstrip() + "…"
