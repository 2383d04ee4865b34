"""Two runs on the same images: is the difference more than the choice of images? (Paired bootstrap.)"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import UsageError
from ovseg.evaluation.bootstrap import Bootstrap, BootstrapSettings, ImageWeights, interval
from ovseg.evaluation.journal import read_header, read_records
from ovseg.evaluation.metrics import AreaCounts, Figures, area_counts, figures
from ovseg.evaluation.record import ImageRecord
from ovseg.evaluation.summary import OVERALL
from ovseg.evaluation.wording import percent, span

__all__ = ["compare", "comparison_markdown"]


def compare(a: Path, b: Path, settings: BootstrapSettings | None = None) -> dict[str, Any]:
    """Compare the evaluations in two folders, image by image.

    Every redraw weighs the images of both runs alike, so what makes an image easy or hard for both cancels.

    Returns:
        ``figures``: for each figure its value in ``a`` and ``b``, ``difference`` (b - a), its ``interval``,
        and ``share_above``: the share of redraws in which b is better; ``per_class``: the same of each
        class's IoU; ``differs``: in which settings the runs differ.

    Raises:
        UsageError: The runs are of different images or classes, or not complete.
    """
    settings = settings or BootstrapSettings()
    headers = [read_header(folder) for folder in (a, b)]
    datasets = [header.identity["dataset"] for header in headers]
    for key, what in (("classes", "classes"), ("names_sha256", "images")):
        if datasets[0][key] != datasets[1][key] or headers[0].shard != headers[1].shard:
            raise UsageError(
                f"{a} and {b} were evaluated on different {what}: only like with like is compared"
            )
    count, names = len(headers[0].selection), headers[0].classes
    sums = [_Side(len(names), settings) for _ in headers]
    weights, seen = ImageWeights(count, settings), 0
    try:
        streams = [read_records(folder, header) for folder, header in zip((a, b), headers, strict=True)]
        for records in zip(*streams, strict=True):
            truths = [record.confusion.sum(axis=1) for record in records]
            if not np.array_equal(*truths):
                raise UsageError(f"{a} and {b} were measured against different truths of {records[0].name}")
            drawn = weights.next()
            for side, record in zip(sums, records, strict=True):
                side.add(record, drawn)
            seen += 1
    except ValueError as error:
        raise UsageError(f"{a} and {b} do not hold the same number of images: finish both runs") from error
    if seen != count:
        raise UsageError(f"{a} and {b} hold {seen} of {count} images: finish both runs")
    (whole_a, redrawn_a), (whole_b, redrawn_b) = (side.figures() for side in sums)
    first, second = (header.identity for header in headers)
    return {
        "a": str(a),
        "b": str(b),
        "dataset": datasets[0]["name"],
        "images": count,
        "bootstrap": asdict(settings),
        "differs": sorted(key for key in first if first[key] != second.get(key)),
        "figures": {
            name: _entry(
                getattr(whole_a, name),
                getattr(whole_b, name),
                getattr(redrawn_a, name),
                getattr(redrawn_b, name),
                settings.level,
            )
            for name in OVERALL
        },
        "per_class": {
            name: _entry(
                whole_a.iou[i], whole_b.iou[i], redrawn_a.iou[:, i], redrawn_b.iou[:, i], settings.level
            )
            for i, name in enumerate(names)
        },
    }


def comparison_markdown(comparison: dict[str, Any]) -> str:
    """The comparison as a table, in percent."""
    lines = [
        f"# {comparison['dataset']}: {comparison['b']} against {comparison['a']}",
        "",
        f"Paired bootstrap over {comparison['images']} images,"
        f" {comparison['bootstrap']['replicates']} redraws;"
        f" different: {', '.join(comparison['differs']) or 'nothing'}.",
        "",
        "| figure | a | b | b - a | interval | b better in |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, entry in (*comparison["figures"].items(), *comparison["per_class"].items()):
        values = (percent(entry["a"]), percent(entry["b"]), percent(entry["difference"]))
        unit = "" if entry["share_above"] is None else " %"
        patches = (*values, span(entry["interval"]), percent(entry["share_above"]) + unit)
        lines.append(f"| {name} | {' | '.join(patches)} |")
    return "\n".join(lines) + "\n"


class _Side:
    """The sums of one run."""

    def __init__(self, classes: int, settings: BootstrapSettings) -> None:
        self._confusion = np.zeros((classes, classes + 1), np.int64)
        self._bootstrap = Bootstrap(classes, settings)

    def add(self, record: ImageRecord, weights: npt.NDArray[np.int64]) -> None:
        counts: AreaCounts = area_counts(record.confusion)
        self._confusion += record.confusion
        self._bootstrap.add(counts, weights)

    def figures(self) -> tuple[Figures, Figures]:
        return figures(area_counts(self._confusion)), self._bootstrap.figures()


def _entry(
    a: Any, b: Any, redrawn_a: npt.NDArray[np.float64], redrawn_b: npt.NDArray[np.float64], level: float
) -> dict[str, Any]:
    differences = redrawn_b - redrawn_a
    known = differences[~np.isnan(differences)]
    both = not (np.isnan(a) or np.isnan(b))
    return {
        "a": None if np.isnan(a) else float(a),
        "b": None if np.isnan(b) else float(b),
        "difference": float(b - a) if both else None,
        "interval": interval(differences, level),
        "share_above": float((known > 0).mean()) if known.size else None,
    }
