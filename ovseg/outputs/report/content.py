"""What the run report shows, as plain data for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ovseg.outputs.objects import DISCOVERY
from ovseg.outputs.pages import counted
from ovseg.outputs.report.totals import Totals
from ovseg.types import void_index
from ovseg.vocabulary import Vocabulary

__all__ = ["ImageEntry", "LabelRow", "duration", "image_entry", "report_head"]

_FAILURES = 500
"""Failures that the page lists; run.json has all."""
_MISSING = 40
"""Classes that occur in no image, up to which they are listed without a click."""


@dataclass(frozen=True)
class LabelRow:
    """One label, of an image or of all.

    Attributes:
        label: In the masks.
        name: Of its class.
        share: Of the pixels, in [0, 1].
        confidence: Mean, in [0, 1], or None where it is not known.
        quiet: Background or void, which are listed last.
        images: In how many images it occurs.
        bar: ``share`` relative to the largest class.
    """

    label: int
    name: str
    share: float
    confidence: float | None
    quiet: bool
    images: int = 1
    bar: float = 0.0


@dataclass(frozen=True)
class ImageEntry:
    """One image of the page.

    Attributes:
        name: Of its file.
        labels: ``{label: [share, confidence]}``, for the script.
        shares: The same as rows, classes by falling share first.
        picture: ``width``, ``height``, and ``photo`` and ``layer`` as data URLs; empty for an image that is
            listed without pictures.
    """

    name: str
    labels: Mapping[str, Sequence[Any]]
    shares: Sequence[LabelRow]
    picture: Mapping[str, Any]


def duration(seconds: float) -> str:
    """Seconds as people write them: ``"0.42 s"``, ``"37 s"``, ``"3 min 20 s"``, ``"2 h 05 min"``."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def report_head(run: Mapping[str, Any], totals: Totals, vocabulary: Vocabulary) -> dict[str, Any]:
    """What the template shows beside single images.

    Args:
        run: The content of run.json; a key that a run does not have leaves no trace on the page.
        totals: Over all images.
        vocabulary: Of the run.
    """
    names, failures = vocabulary.names, run.get("failures", ())
    segmenter, timings = run.get("config", {}).get("segmenter", {}), run.get("timings", {})
    figures = {
        "Images": totals.images,
        "Failed": len(failures),
        "Classes": len(vocabulary),
        "Vocabulary": vocabulary.source,
        "Preset": segmenter.get("preset"),
        "Device": segmenter.get("device"),
        "Time": _seconds(timings.get("seconds")),
        "Per image": _seconds(timings.get("seconds_per_image")),
    }
    weights = segmenter.get("weights", ())
    columns = list(dict.fromkeys(key for entry in weights for key in entry))
    return {
        "images": totals.images,
        "summary": _summary(totals, vocabulary, len(failures)),
        "figures": {name: value for name, value in figures.items() if value not in (None, "")},
        "failures": [(failure["path"], failure["reason"]) for failure in failures[:_FAILURES]],
        "failed": len(failures),
        "weights_columns": columns,
        "weights": [[entry.get(column, "") for column in columns] for entry in weights],
        "licences": sorted({str(entry["licence"]) for entry in weights if "licence" in entry}),
        "timings": [
            (key.replace("_", " "), (_seconds(value) if "seconds" in key else None) or value)
            for key, value in timings.items()
            if value is not None
        ],
        "config": run.get("config"),
        "others": {key: run[key] for key in run if key not in ("failures", "timings", "config")},
        "classes": _class_rows(totals, vocabulary),
        "missing": [names[label] for label in range(1, len(names)) if label not in totals.labels],
        "missing_in_sight": _MISSING,
        "void": void_index(len(vocabulary)),
        "version": run.get("ovseg", ""),
    }


def image_entry(fragment: Mapping[str, Any], names: Sequence[str]) -> ImageEntry:
    """One image from its fragment; ``names[0]`` is the background's name."""
    rows = [
        LabelRow(int(key), _name(int(key), names), share, confidence, _quiet(int(key), names))
        for key, (share, confidence) in fragment["labels"].items()
    ]
    rows.sort(key=lambda row: (row.quiet, -row.share, row.label))
    return ImageEntry(fragment["name"], fragment["labels"], rows, fragment.get("picture", {}))


def _summary(totals: Totals, vocabulary: Vocabulary, failures: int) -> str:
    found = [total for label, total in totals.labels.items() if 0 < label <= len(vocabulary)]
    images = counted(totals.images, "image")
    if vocabulary.source == DISCOVERY:
        most = max((total.images for total in found), default=0)
        text = f"{images} searched for at most {counted(len(vocabulary), 'object')} each, found in {most}."
    else:
        verb = "was" if len(found) == 1 else "were"
        classes = counted(len(vocabulary), "class")
        text = f"{images} segmented into {classes}, of which {len(found)} {verb} found."
    return f"{text} {counted(failures, 'image')} could not be read." if failures else text


def _class_rows(totals: Totals, vocabulary: Vocabulary) -> list[LabelRow]:
    names = vocabulary.names
    order = [*range(1, len(names)), 0, void_index(len(vocabulary))]
    largest = max((totals.share(label) for label in range(1, len(names))), default=0.0) or 1.0
    return [
        LabelRow(
            label,
            _name(label, names),
            totals.share(label),
            totals.labels[label].confidence,
            _quiet(label, names),
            totals.labels[label].images,
            totals.share(label) / largest,
        )
        for label in order
        if label in totals.labels
    ]


def _name(label: int, names: Sequence[str]) -> str:
    return names[label] if label < len(names) else "no answer"


def _quiet(label: int, names: Sequence[str]) -> bool:
    return label == 0 or label >= len(names)


def _seconds(value: Any) -> str | None:
    return duration(value) if isinstance(value, int | float) else None
