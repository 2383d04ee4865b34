"""What run.json says, as the head of the page. A key that a run does not have leaves no trace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ovseg.outputs.report.totals import Totals
from ovseg.vocabulary import Vocabulary

__all__ = ["details", "duration", "facts", "summary"]

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
    found = sum(1 for label in totals.labels if 0 < label <= len(vocabulary))
    sentence = (
        f"{totals.images} {_plural('image', totals.images)} segmented into {len(vocabulary)} "
        f"{_plural('class', len(vocabulary))}, of which {found} {'was' if found == 1 else 'were'} found."
    )
    failures = run.get("failures") or ()
    return sentence + (f" {len(failures)} could not be read or segmented." if failures else "")


def facts(run: Mapping[str, Any], totals: Totals, vocabulary: Vocabulary) -> str:
    """The run's figures at a glance."""
    timings = run.get("timings") or {}
    seconds = timings.get("total_seconds", timings.get("total"))
    pairs: list[tuple[str, Any]] = [
        ("Images", totals.images),
        ("Failed", len(run.get("failures") or ())),
        ("Classes", len(vocabulary)),
        ("Vocabulary", vocabulary.source),
        ("Preset", _name(run.get("preset"))),
        ("Device", _name(run.get("device"))),
        ("Time", duration(seconds) if isinstance(seconds, int | float) else None),
        ("Version", run.get("version")),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in pairs
        if value is not None
    )
    return f'<dl class="facts">{cells}</dl>\n'


def details(run: Mapping[str, Any]) -> str:
    """Failures, weights, timings and configuration, folded up; failures open."""
    parts = []
    failures = run.get("failures") or ()
    if failures:
        rows = [
            (_first(f, "path", "source", "input", "stem"), _first(f, "reason", "error", "message"))
            for f in failures[:_FAILURES]
        ]
        note = f"{len(failures)} {_plural('image', len(failures))}"
        if len(failures) > _FAILURES:
            note += f", the first {_FAILURES} here, all in run.json"
        parts.append(_folded("Failures", note, _table(("Image", "Reason"), rows), is_open=True))
    weights = run.get("weights") or ()
    if weights:
        entries = list(weights.values()) if isinstance(weights, Mapping) else list(weights)
        licences = sorted({str(entry["licence"]) for entry in entries if "licence" in entry})
        parts.append(_folded("Weights and licences", ", ".join(licences), _records(entries)))
    timings = run.get("timings") or {}
    if timings:
        rows = [
            (
                key.removesuffix("_seconds").replace("_", " "),
                duration(v) if isinstance(v, int | float) else json.dumps(v),
            )
            for key, v in timings.items()
        ]
        parts.append(_folded("Timings", "", _table(("Step", "Time"), rows)))
    configuration = run.get("config", run.get("configuration"))
    if configuration is not None:
        parts.append(_folded("Configuration", "", _pre(configuration)))
    # What has its own place above is not said twice, and failures can be many.
    rest = {
        key: value
        for key, value in run.items()
        if key not in ("failures", "weights", "timings", "config", "configuration")
    }
    if rest:
        parts.append(_folded("More about this run", "from run.json", _pre(rest)))
    return "".join(parts)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + ("es" if word.endswith("s") else "s")


def _name(value: Any) -> Any:
    return value.get("name") if isinstance(value, Mapping) else value


def _first(entry: Mapping[str, Any], *keys: str) -> str:
    return next((str(entry[key]) for key in keys if key in entry), "")


def _folded(title: str, note: str, content: str, *, is_open: bool = False) -> str:
    aside = f' <span class="soft">{escape(note)}</span>' if note else ""
    return (
        f"<details{' open' if is_open else ''}><summary>{escape(title)}{aside}</summary>{content}</details>\n"
    )


def _pre(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False, default=str))}</pre>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _records(entries: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for entry in entries for key in entry))
    head = "".join(f"<th>{escape(column.replace('_', ' '))}</th>" for column in columns)
    body = ""
    for entry in entries:
        cells = "".join(
            f"<td{' class=hash' if column == 'sha256' else ''}>{escape(str(entry.get(column, '')))}</td>"
            for column in columns
        )
        body += f"<tr>{cells}</tr>\n"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'
