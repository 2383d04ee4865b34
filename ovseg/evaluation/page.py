"""The results as one self-contained page: figures, bars per class, confusions, best and worst images.

Every text that comes from outside goes through ``escape``; the page loads nothing and runs no script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.evaluation.pictures import picture_path
from ovseg.evaluation.summary import Summary
from ovseg.evaluation.wording import percent
from ovseg.outputs.html import file_url, page_head
from ovseg.outputs.palette import hex_colour

__all__ = ["results_page"]

_MATRIX_CLASSES = 40
"""Classes up to which the whole matrix is drawn; beyond, the commonest confusions say more."""
_CONFUSIONS = 20


def results_page(folder: Path, summary: Summary) -> str:
    """The page of an evaluation whose pictures lie in ``folder``."""
    results = summary.results
    title = f"{results['dataset']['name']}: mIoU {percent(results['miou'])}"
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    names = list(results["per_class"])
    return (
        f"{page_head(title, style)}<h1>{escape(title)}</h1>\n{_notes(results)}{_metadata(results)}"
        f"{_bars(results)}{_sizes(results)}{_calibration(results)}"
        f"{_matrix(names, summary.confusion)}{_confusions(names, summary.confusion)}"
        f"{_images(folder, summary)}{_details(results)}</body>\n</html>\n"
    )


def _notes(results: Mapping[str, Any]) -> str:
    lines = [
        *results["notes"],
        f"protocol {results['protocol']['name']}, vocabulary {results['vocabulary']['source']}"
        f" ({results['hashes']['vocabulary'][:12]})",
    ]
    return "".join(f'<p class="soft">{escape(line)}</p>\n' for line in lines)


def _metadata(results: Mapping[str, Any]) -> str:
    interval = results["intervals"]["miou"]
    spread = f" ({percent(interval[0])} to {percent(interval[1])})" if interval else ""
    pairs = {
        "mIoU": percent(results["miou"]) + spread,
        "Pixel accuracy": percent(results["pixel_accuracy"]),
        "Mean accuracy": percent(results["mean_accuracy"]),
        "Frequency-weighted IoU": percent(results["frequency_weighted_iou"]),
        "Boundary IoU": percent(results["boundary_iou"]),
        "Images": str(results["images"]),
    }
    patches = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs.items())
    return f'<dl class="facts">{patches}</dl>\n'


def _bars(results: Mapping[str, Any]) -> str:
    """IoU of each class as a bar with its interval as a whisker."""
    rows = []
    for name, entry in results["per_class"].items():
        iou, spread = entry["iou"] or 0.0, entry["interval"]
        whisker = ""
        if spread:
            low, high = (f"{300 * end:.1f}" for end in spread)
            whisker = f'<line x1="{low}" x2="{high}" y1="7" y2="7" stroke="currentColor"/>'
        rows.append(
            f'<tr><td>{escape(name)}</td><td><svg width="300" height="14" role="img">'
            f'<rect width="{300 * iou:.1f}" height="14" fill="var(--bar)"/>{whisker}</svg></td>'
            f"<td>{percent(entry['iou'])}</td><td>{percent(entry['accuracy'])}</td>"
            f"<td>{percent(entry['boundary_iou'])}</td><td>{percent(entry['pixel_share'])}</td></tr>\n"
        )
    level = f"{100 * results['intervals']['level']:.0f}"
    return (
        f'<h2>Classes</h2>\n<table class="bars"><thead><tr><th>Class</th><th>IoU, {level}%</th>'
        "<th>IoU</th><th>Accuracy</th><th>Boundary IoU</th><th>Share of pixels</th></tr></thead>\n"
        f"<tbody>{''.join(rows)}</tbody></table>\n"
    )


def _sizes(results: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{size}</td><td>{percent(entry['miou'])}</td><td>{entry['pixels']}</td></tr>"
        for size, entry in results["sizes"].items()
    )
    head = "<tr><th>Component</th><th>mIoU</th><th>True pixels</th></tr>"
    return f"<h2>Object sizes</h2>\n<table><thead>{head}</thead><tbody>{rows}</tbody></table>\n"


def _calibration(results: Mapping[str, Any]) -> str:
    """Reliability diagram: accuracy over confidence, with the diagonal."""
    calibration = results["calibration"]
    if calibration is None:
        return ""
    curve = ((200 * point["confidence"], 200 - 200 * point["accuracy"]) for point in calibration["curve"])
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in curve)
    return (
        f"<h2>Calibration</h2>\n<p>Expected calibration error {percent(calibration['error'])}. Accuracy (up)"
        " over confidence (right); on the diagonal, confidence means what it says.</p>\n"
        '<svg width="210" height="210" viewBox="-5 -5 210 210" role="img">'
        '<rect width="200" height="200" fill="none" stroke="var(--line)"/>'
        '<line x1="0" y1="200" x2="200" y2="0" stroke="var(--line)"/>'
        f'<polyline points="{points}" fill="none" stroke="var(--bar)" stroke-width="2"/></svg>\n'
    )


def _matrix(names: list[str], confusion: npt.NDArray[np.int64]) -> str:
    """Confusion matrix, each row shaded by its shares."""
    if len(names) > _MATRIX_CLASSES:
        return ""
    columns = [*names, "no answer"]
    shares = _shares(confusion)
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    rows = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(
            f'<td style="background:rgb(59 118 196/{share:.3f})"'
            f' title="{escape(name)} as {escape(column)}: {percent(share)}%"></td>'
            for column, share in zip(columns, row, strict=True)
        )
        + "</tr>\n"
        for name, row in zip(names, shares, strict=True)
    )
    return (
        "<h2>Confusion matrix</h2>\n<p>Rows are true classes, shaded by the share of their pixels.</p>\n"
        f'<div class="matrix"><table><thead><tr><th></th>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>\n"
    )


def _confusions(names: list[str], confusion: npt.NDArray[np.int64]) -> str:
    """The commonest mistakes by pixels."""
    mistakes = confusion.copy()
    np.fill_diagonal(mistakes, 0)
    shares = _shares(confusion)
    columns = [*names, "no answer"]
    order = np.argsort(-mistakes, axis=None, kind="stable")[:_CONFUSIONS]
    rows = "".join(
        f"<tr><td>{escape(names[t])}</td><td>{escape(columns[p])}</td><td>{mistakes[t, p]}</td>"
        f"<td>{percent(shares[t, p])}</td></tr>\n"
        for t, p in zip(*np.unravel_index(order, mistakes.shape), strict=True)
        if mistakes[t, p]
    )
    return (
        "<h2>Commonest confusions</h2>\n<table><thead><tr><th>True</th><th>Predicted</th><th>Pixels</th>"
        f"<th>% of the true class</th></tr></thead>\n<tbody>{rows}</tbody></table>\n"
    )


def _images(folder: Path, summary: Summary) -> str:
    """Best and worst images: photo, truth, prediction."""
    first = 0 if summary.results["dataset"]["background"] else 1
    legend = "".join(
        f'<span><i style="background:{hex_colour(i + first)}"></i>{escape(name)}</span> '
        for i, name in enumerate(summary.results["per_class"])
        if i + first > 0
    )
    parts = [f'<h2>Images</h2>\n<p>Photo, truth, prediction.</p>\n<p class="legend">{legend}</p>\n']
    for end, images in summary.shown.items():
        parts.append(f"<h3>{end.capitalize()}</h3>\n")
        for index, name, score in images:
            path = picture_path(folder, index)
            if path.is_file():
                parts.append(
                    f'<figure><img alt="" src="{file_url(path)}">'
                    f"<figcaption>{escape(name)}: mean IoU {percent(score)} here</figcaption></figure>\n"
                )
    return "".join(parts)


def _details(results: Mapping[str, Any]) -> str:
    keys = ("dataset", "protocol", "vocabulary", "predictor", "hashes", "leakage", "ovseg")
    text = json.dumps({key: results[key] for key in keys}, indent=2, ensure_ascii=False)
    return f"<h2>Settings</h2>\n<details><summary>All settings</summary><pre>{escape(text)}</pre></details>\n"


def _shares(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    return shares
