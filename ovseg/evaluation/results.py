"""What an evaluation leaves: results.json, a Markdown table, the confusion matrix, a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ovseg.evaluation.journal import Header
from ovseg.evaluation.page import write_results_page
from ovseg.evaluation.pictures import picture_path
from ovseg.evaluation.summary import Summary
from ovseg.evaluation.wording import percent, span
from ovseg.files import write_json, write_text

__all__ = ["CONFUSION", "MARKDOWN", "PAGE", "RESULTS", "markdown", "write_results"]

RESULTS, MARKDOWN, PAGE, CONFUSION = "results.json", "results.md", "results.html", "confusion.csv"


def write_results(folder: Path, header: Header, summary: Summary) -> None:
    """Write all result files and drop the pictures that the page does not show."""
    write_json(folder / RESULTS, summary.results)
    write_text(folder / MARKDOWN, markdown(summary.results))
    write_text(folder / CONFUSION, _confusion_csv(header, summary))
    write_results_page(folder / PAGE, summary)
    shown = {picture_path(folder, index) for images in summary.shown.values() for index, _, _ in images}
    for path in picture_path(folder, 0).parent.glob("*.jpg"):
        if path not in shown:
            path.unlink()


def markdown(results: Mapping[str, Any]) -> str:
    """The field's form of a result: one line of figures, one line a class, all that they depend on."""
    dataset, intervals, code = results["dataset"], results["intervals"], results["ovseg"]
    sizes = ", ".join(f"{size} {percent(entry['miou'])}" for size, entry in results["sizes"].items())
    shares = [
        percent(results[name]) for name in ("mean_accuracy", "pixel_accuracy", "frequency_weighted_iou")
    ]
    overall = [percent(results["miou"]), span(intervals["miou"]), *shares, percent(results["boundary_iou"])]
    calibration = percent((results["calibration"] or {}).get("error"))
    lines = [
        f"# {dataset['name']}: mIoU {percent(results['miou'])}",
        "",
        *(f"- {note}" for note in results["notes"]),
        f"- protocol `{results['protocol']['name']}`, vocabulary `{results['vocabulary']['source']}`"
        f" (`{results['hashes']['vocabulary'][:12]}`), {_who(results)}",
        f"- ovseg {code['version']} at `{code['commit'] or 'unknown commit'}`",
        f"- {100 * intervals['level']:.0f}% intervals over images, {intervals['replicates']} redraws",
        "",
        "| mIoU | interval | mAcc | aAcc | fwIoU | boundary IoU | mIoU by size | ECE | images |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
        _row(*overall, sizes, calibration, str(results["images"])),
        "",
        "| class | IoU | interval | accuracy | boundary IoU | share of pixels |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, entry in results["per_class"].items():
        iou, *others = (percent(entry[key]) for key in ("iou", "accuracy", "boundary_iou", "pixel_share"))
        lines.append(_row(name.replace("|", r"\|"), iou, span(entry["interval"]), *others))
    for title, key in (("Classes at zero", "classes_at_zero"), ("Absent classes", "absent_classes")):
        if results[key]:
            lines += ["", f"{title}: {', '.join(results[key])}."]
    return "\n".join(lines) + "\n"


def _row(*patches: str) -> str:
    return f"| {' | '.join(patches)} |"


def _who(results: Mapping[str, Any]) -> str:
    predictor = results["predictor"]
    return f"preset `{predictor['preset']}`" if "preset" in predictor else str(predictor["kind"])


def _confusion_csv(header: Header, summary: Summary) -> str:
    """Rows = true class, columns = predicted class and "no answer", in pixels."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["true \\ predicted", *header.classes, "no answer"])
    for name, row in zip(header.classes, summary.confusion.tolist(), strict=True):
        writer.writerow([name, *row])
    return stream.getvalue()
