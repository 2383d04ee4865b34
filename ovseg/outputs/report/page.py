"""The page, piece by piece: every text that comes from outside goes through ``escape``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from ovseg.outputs.html import page_head
from ovseg.outputs.legend import percent
from ovseg.outputs.palette import hex_colour
from ovseg.outputs.report.metadata import details, metadata, summary
from ovseg.outputs.report.totals import Totals
from ovseg.types import void_index
from ovseg.vocabulary import Vocabulary

__all__ = ["GRID_CLOSE", "GRID_OPEN", "LIST_CLOSE", "card", "foot", "head", "list_open", "list_row"]

GRID_OPEN = '<main><div class="grid" id="grid">\n'
GRID_CLOSE = "</div></main>\n"
LIST_CLOSE = "</tbody></table></div></section>\n"
MISSING = 40
"""Classes that were found nowhere, up to which they are listed in sight."""


@cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def head(run: Mapping[str, Any], totals: Totals, vocabulary: Vocabulary) -> str:
    """Everything above the images: facts, details, classes, tools."""
    title = f"ovseg: {totals.images} images"
    return (
        f"{page_head(title, _asset('style.css'), scripts=True)}<header>\n<h1>Segmentation report</h1>\n"
        f'<p class="soft">{escape(summary(run, totals, vocabulary))}</p>\n'
        f"{metadata(run, totals, vocabulary)}{details(run)}</header>\n"
        f"{_classes(totals, vocabulary)}{_tools(totals, vocabulary)}"
    )


def foot(run: Mapping[str, Any]) -> str:
    """Everything below the images."""
    made = f"Made by ovseg {escape(str(run.get('ovseg', '')))}".rstrip()
    return (
        f"<footer>{made}. This page is one file and loads nothing.</footer>\n"
        f"<script>\n{_asset('script.js')}</script>\n</body>\n</html>\n"
    )


def card(fragment: Mapping[str, Any], names: Sequence[str]) -> str:
    """One image with its pictures, from its fragment."""
    name, picture = escape(fragment["name"]), fragment["picture"]
    width, height = picture["width"], picture["height"]
    size = f'width="{width}" height="{height}" loading="lazy"'
    return (
        f'<article class="card" {_data(fragment)}>\n'
        f'<div class="compare" style="aspect-ratio:{width}/{height};max-width:calc(360px*{width}/{height})">'
        f'<img src="{picture["photo"]}" alt="{name}" {size}>'
        f'<img class="layer" src="{picture["layer"]}" alt="" {size}>'
        '<span class="knob"></span><input type="range" min="0" max="100" value="0" '
        f'aria-label="Uncover the photo {name} from the left, in percent"></div>\n'
        f'<div class="text"><h3>{name}</h3>\n'
        f'<ul class="shares">{_shares(fragment["labels"], names)}</ul></div>\n</article>\n'
    )


def list_open(*, shown: int, left: int) -> str:
    """Start of the table of ``shown`` images without pictures; ``left`` further ones are not even listed."""
    rest = f" {left} more are in images.jsonl." if left else ""
    return (
        "<section><h2>Further images</h2>\n"
        '<p class="soft">The page carries pictures of the first images only; '
        f"here are {shown} more by name.{rest} Masks of all are in the run folder.</p>\n"
        '<div class="scroll"><table><thead><tr><th>Image</th><th>Classes</th></tr></thead><tbody>\n'
    )


def list_row(fragment: Mapping[str, Any], names: Sequence[str]) -> str:
    """One image of that table, from its fragment."""
    void = str(void_index(len(names) - 1))
    labels = [(label, figures) for label, figures in _ordered(fragment["labels"]) if label not in ("0", void)]
    classes = ", ".join(
        f"{escape(names[int(label)])} {escape(percent(share))}" for label, (share, _) in labels
    )
    return f"<tr {_data(fragment)}><td>{escape(fragment['name'])}</td><td>{classes or '–'}</td></tr>\n"


def _data(fragment: Mapping[str, Any]) -> str:
    labels = escape(json.dumps(fragment["labels"], separators=(",", ":")))
    return f'data-name="{escape(fragment["name"])}" data-labels="{labels}"'


def _ordered(labels: Mapping[str, Sequence[Any]]) -> list[tuple[str, Sequence[Any]]]:
    return sorted(labels.items(), key=lambda entry: (-entry[1][0], int(entry[0])))


def _swatch(label: int) -> str:
    colour = "" if label == 0 else f' style="--c:{hex_colour(label)}"'
    return f'<span class="swatch"{colour}></span>'


def _name(label: int, names: Sequence[str]) -> str:
    return names[label] if label < len(names) else "no answer"


def _shares(labels: Mapping[str, Sequence[Any]], names: Sequence[str]) -> str:
    classes: list[str] = []
    rest: list[str] = []
    for key, (share, confidence) in _ordered(labels):
        label = int(key)
        quiet = label == 0 or label >= len(names)
        sure = "" if confidence is None else f"{confidence:.2f}"
        line = (
            f"<li{' class=quiet' if quiet else ''}><span>{_swatch(label)}{escape(_name(label, names))}</span>"
            f"<span>{escape(percent(share))}</span><span title='mean confidence'>{sure}</span></li>"
        )
        (rest if quiet else classes).append(line)
    return "".join(classes + rest)


def _classes(totals: Totals, vocabulary: Vocabulary) -> str:
    names = vocabulary.names
    found = [label for label in range(1, len(names)) if label in totals.labels]
    rest = [label for label in (0, void_index(len(vocabulary))) if label in totals.labels]
    largest = max((totals.share(label) for label in found), default=1.0)
    rows = []
    for label in found + rest:
        total, share, name = totals.labels[label], totals.share(label), escape(_name(label, names))
        meter = ""
        if label in found:
            name = (
                f'<button type="button" data-label="{label}" title="Show these images only">{name}</button>'
            )
            style = f"--w:{100 * share / largest:.1f}%;--c:{hex_colour(label)}"
            meter = f'<span class="meter" style="{style}"><i></i></span>'
        sure = "" if total.confidence is None else f"{total.confidence:.2f}"
        rows.append(
            f"<tr><td>{_swatch(label)}{name}</td>"
            f'<td class="number">{total.images}</td><td class="number">{escape(percent(share))}</td>'
            f'<td class="wide">{meter}</td><td class="number">{sure}</td></tr>\n'
        )
    missing = [escape(names[label]) for label in range(1, len(names)) if label not in totals.labels]
    return (
        '<section><h2>Classes</h2><div class="scroll"><table><thead><tr><th>Class</th>'
        '<th class="number">Images</th><th class="number">Share of all pixels</th><th class="wide"></th>'
        '<th class="number">Mean confidence</th></tr></thead>'
        f"<tbody>\n{''.join(rows)}</tbody></table></div>\n" + _found_nowhere(missing) + "</section>\n"
    )


def _found_nowhere(names: Sequence[str]) -> str:
    """A line, or where there are many a list to unfold, so that the images are not pushed off the screen."""
    if not names:
        return ""
    if len(names) <= MISSING:
        return f'<p class="soft">Found nowhere: {", ".join(names)}.</p>'
    return (
        f'<details><summary>Found nowhere <span class="soft">{len(names)} classes</span></summary>'
        f'<p class="soft">{", ".join(names)}.</p></details>\n'
    )


def _tools(totals: Totals, vocabulary: Vocabulary) -> str:
    names = vocabulary.names
    options = "".join(
        f'<option value="{label}">{escape(names[label])}</option>'
        for label in range(1, len(names))
        if label in totals.labels
    )
    return (
        '<h2>Images</h2>\n<div class="tools" id="tools" role="group" aria-label="Choose images" hidden>\n'
        f'<label>Class <select id="wanted" data-void="{void_index(len(vocabulary))}">'
        f'<option value="">all</option>{options}</select></label>\n'
        '<label>Sort by <select id="order">'
        '<option value="input">input</option><option value="name">name</option>'
        '<option value="most">largest share</option><option value="least">smallest share</option>'
        '<option value="unsure">least confident</option></select></label>\n'
        '<label>Overlay <input type="range" id="strength" min="0" max="100" value="100"></label>\n'
        '<output id="count" aria-live="polite"></output>\n</div>\n'
    )
