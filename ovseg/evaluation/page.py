"""The results as one self-contained page: figures, bars per class, confusions, best and worst images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.evaluation.pictures import picture_path
from ovseg.evaluation.summary import Summary
from ovseg.evaluation.wording import percent
from ovseg.outputs.pages import file_url, write_page

__all__ = ["write_results_page"]

_MATRIX_CLASSES = 40
"""Classes up to which the whole matrix is drawn; beyond, the most frequent confusions say more."""
_CONFUSIONS = 20
_SETTINGS = ("dataset", "protocol", "vocabulary", "predictor", "hashes", "leakage", "ovseg")


def write_results_page(path: Path, summary: Summary) -> None:
    """Write the page of an evaluation to ``path``, in the folder with its pictures.

    Raises:
        OutputError: It cannot be written.
    """
    results, names = summary.results, list(summary.results["per_class"])
    columns = [*names, "no answer"]
    shares = summary.confusion / np.maximum(summary.confusion.sum(axis=1, keepdims=True), 1)
    matrix = list(zip(names, shares.tolist(), strict=True)) if len(names) <= _MATRIX_CLASSES else []
    sizes = results["sizes"].items()
    write_page(
        path,
        "evaluation.html",
        results=results,
        percent=percent,
        figures=_figures(results),
        first_label=0 if results["dataset"]["background"] else 1,
        sizes=[(size, percent(entry["miou"]), entry["pixels"]) for size, entry in sizes],
        columns=columns,
        matrix=matrix,
        confusions=[
            (names[true], columns[predicted], pixels, percent(shares[true, predicted]))
            for true, predicted, pixels in _confusions(summary.confusion)
        ],
        shown={end: _images(path.parent, images) for end, images in summary.shown.items()},
        settings={key: results[key] for key in _SETTINGS},
    )


def _figures(results: dict[str, Any]) -> dict[str, Any]:
    interval = results["intervals"]["miou"]
    spread = f" ({percent(interval[0])} to {percent(interval[1])})" if interval else ""
    return {
        "mIoU": percent(results["miou"]) + spread,
        "Pixel accuracy": percent(results["pixel_accuracy"]),
        "Mean accuracy": percent(results["mean_accuracy"]),
        "Frequency-weighted IoU": percent(results["frequency_weighted_iou"]),
        "Boundary IoU": percent(results["boundary_iou"]),
        "Images": results["images"],
    }


def _confusions(confusion: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """(true, predicted, pixels) of the most frequent mistakes."""
    mistakes = confusion.copy()
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:_CONFUSIONS]
    for true, predicted in zip(*np.unravel_index(order, mistakes.shape), strict=True):
        if mistakes[true, predicted]:
            yield int(true), int(predicted), int(mistakes[true, predicted])


def _images(folder: Path, images: list[tuple[int, str, float]]) -> Iterator[dict[str, Any]]:
    """The images of which there are pictures, one in memory at a time."""
    for index, name, score in images:
        picture = picture_path(folder, index)
        if picture.is_file():
            yield {"name": name, "score": score, "picture": file_url(picture)}
