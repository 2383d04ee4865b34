"""What run.json says, as the head of the page. A key that a run does not have leaves no trace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ovseg.outputs.objects import DISCOVERY
from ovseg.outputs.report.totals import Totals
from ovseg.vocabulary import Vocabulary

__all__ = ["details", "duration", "metadata", "summary"]

_FAILURES = 500
"""Failures that the page lists; run.json has all."""


def duration(seconds: float) -> str:
    """Seconds as people say them: ``"0.42 s"``, ``"37 s"``, ``"3 min 20 s"``, ``"2 h 05 min"``."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def summary(run: Mapping[str, Any], totals: Totals, vocabulary: Vocabulary) -> str:
    """One sentence about the run, as plain text."""
    found = [total for label, total in totals.labels.items() if 0 < label <= len(vocabulary)]
    images, failed = _counted(totals.images, "image"), len(run.get("failures", ()))
    if vocabulary.source == DISCOVERY:
        most = max((total.images for total in found), default=0)
        said = f"{images} searched for at most {_counted(len(vocabulary), 'object')} each, found in {most}."
    else:
        said = (
            f"{images} segmented into {_counted(len(vocabulary), 'class')}, "
            f"of which {len(found)} {'was' if len(found) == 1 else 'were'} found."
        )
    return said + (f" {_counted(failed, 'image')} could not be read." if failed else "")


def metadata(run: Mapping[str, Any], totals: Totals, vocabulary: Vocabulary) -> str:
    """The run's figures at a glance."""
    segmenter, timings = _segmenter(run), run.get("timings", {})
    pairs = [
        ("Images", str(totals.images)),
        ("Failed", str(len(run.get("failures", ())))),
        ("Classes", str(len(vocabulary))),
        ("Vocabulary", vocabulary.source),
        ("Preset", segmenter.get("preset")),
        ("Device", segmenter.get("device")),
        ("Time", _seconds(timings.get("seconds"))),
        ("Per image", _seconds(timings.get("seconds_per_image"))),
    ]  # ovseg's version stands at the foot of the page
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in pairs if value
    )
    return f'<dl class="facts">{cells}</dl>\n'


def details(run: Mapping[str, Any]) -> str:
    """Failures, weights, timings and configuration, folded up; failures open."""
    parts = []
    failures = run.get("failures", ())
    if failures:
        note = _counted(len(failures), "image")
        if len(failures) > _FAILURES:
            note += f", the first {_FAILURES} here, all in run.json"
        rows = [(failure["path"], failure["reason"]) for failure in failures[:_FAILURES]]
        parts.append(_folded("Failures", note, _table(("Image", "Reason"), rows), is_open=True))
    weights = _segmenter(run).get("weights", ())
    if weights:
        licences = sorted({str(entry["licence"]) for entry in weights if "licence" in entry})
        columns = list(dict.fromkeys(key for entry in weights for key in entry))
        cells = [[str(entry.get(column, "")) for column in columns] for entry in weights]
        parts.append(_folded("Weights and licences", ", ".join(licences), _table(columns, cells)))
    if "timings" in run:
        parts.append(_folded("Timings", "", _table(("What", "Value"), _timing_rows(run["timings"]))))
    if "config" in run:
        parts.append(_folded("Configuration", "what the results depend on", _pre(run["config"])))
    # What has its own place above is not said twice.
    rest = {key: run[key] for key in run if key not in ("failures", "timings", "config")}
    if rest:
        parts.append(_folded("More about this run", "from run.json", _pre(rest)))
    return "".join(parts)


def _segmenter(run: Mapping[str, Any]) -> Mapping[str, Any]:
    segmenter: Mapping[str, Any] = run.get("config", {}).get("segmenter", {})
    return segmenter


def _counted(count: int, word: str) -> str:
    plural = word + ("es" if word.endswith("s") else "s")
    return f"{count} {word if count == 1 else plural}"


def _seconds(value: Any) -> str | None:
    return duration(value) if isinstance(value, int | float) else None


def _timing_rows(timings: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (key.replace("_", " "), (_seconds(value) if "seconds" in key else None) or str(value))
        for key, value in timings.items()
        if value is not None
    ]


def _folded(title: str, note: str, content: str, *, is_open: bool = False) -> str:
    aside = f' <span class="soft">{escape(note)}</span>' if note else ""
    opened = " open" if is_open else ""
    return f"<details{opened}><summary>{escape(title)}{aside}</summary>{content}</details>\n"


def _pre(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    hashes = {place for place, column in enumerate(columns) if column == "sha256"}
    body = ""
    for row in rows:
        cells = (
            f"<td{' class=hash' if place in hashes else ''}>{escape(cell)}</td>"
            for place, cell in enumerate(row)
        )
        body += f"<tr>{''.join(cells)}</tr>\n"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'
