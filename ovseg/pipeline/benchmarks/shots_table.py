"""Zero, one and few shots: how figures grow with the support images of a class, on a data set with masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.evaluation.bootstrap import Bootstrap, BootstrapSettings, ImageWeights, interval
from ovseg.evaluation.datasets.base import Dataset
from ovseg.evaluation.metrics import VOID, area_counts, confusion_matrix, figures
from ovseg.support.base import UNKNOWN

__all__ = ["ShotRow", "as_table", "choose_support", "class_annotation", "shot_rows"]

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ShotRow:
    """One line of the table.

    Attributes:
        shots: Support images a class at most; 0: names alone.
        support: Images that were used as support.
        images: Images that were measured, the same in every line.
        miou: In percent.
        low: Lower end of its interval.
        high: Upper end.
        pixel_accuracy: In percent.
        gain: Difference to the first line in points, with the ends of its interval over the same redraws.
    """

    shots: int
    support: int
    images: int
    miou: float
    low: float
    high: float
    pixel_accuracy: float
    gain: tuple[float, float, float]


def choose_support(
    truths: Mapping[str, Labels], classes: int, shots: int, *, seed: int, least: float = 0.02
) -> list[list[str]]:
    """Draw support images for every class from a data set with masks.

    Args:
        truths: (H, W) class indices or void, by name of the image.
        classes: K; every index below is a class to be supported.
        shots: Images a class; fewer where there are no more.
        seed: Of the draw.
        least: Share of an image that its class must cover.

    Returns:
        For each class the names of its images; the first k of them are the support of k shots.
    """
    names = sorted(truths)
    shares = np.array([np.bincount(truths[n].ravel(), minlength=256) / truths[n].size for n in names])
    generator = np.random.default_rng(seed)
    chosen = []
    for index in range(classes):
        candidates = np.flatnonzero(shares[:, index] >= least)
        drawn = generator.permutation(candidates)[:shots]
        chosen.append([names[i] for i in drawn])
    return chosen


def class_annotation(truth: Labels, index: int) -> Labels:
    """The truth of one class as a mark: 1 the class, 0 another, unknown where the truth is void."""
    mark = np.where(truth == index, 1, 0).astype(np.uint8)
    mark[truth == VOID] = UNKNOWN
    return mark


def shot_rows(
    dataset: Dataset,
    truths: Mapping[str, Labels],
    support: Sequence[Sequence[str]],
    shots: Sequence[int],
    answer: Callable[[int, str], Labels],
    *,
    images: int | None = None,
    bootstrap: BootstrapSettings | None = None,
) -> list[ShotRow]:
    """Measure every number of shots on the images that no number of shots has as support.

    Args:
        dataset: What is measured on.
        truths: (H, W) class indices or void, by name of the image.
        support: Of ``choose_support``.
        shots: Numbers of support images a class, ascending.
        answer: (shots, name of an image) to (H, W) class indices or void.
        images: How many images to measure at most, evenly taken by name; None: all.
        bootstrap: How intervals are drawn.
    """
    settings = bootstrap or BootstrapSettings()
    kept = sorted(set(truths) - {name for names in support for name in names})
    if images is not None and len(kept) > images:
        kept = [kept[i * len(kept) // images] for i in range(images)]
    classes = len(dataset.classes)
    rows: list[ShotRow] = []
    redraws: list[npt.NDArray[np.float64]] = []
    for number in shots:
        total = np.zeros((classes, classes + 1), np.int64)
        spread = Bootstrap(classes, settings)
        weights = ImageWeights(len(kept), settings)
        for name in kept:
            counts = confusion_matrix(truths[name], answer(number, name), classes)
            total += counts
            spread.add(area_counts(counts), weights.next())
        found, drawn = figures(area_counts(total)), spread.figures().miou
        redraws.append(drawn)
        gains = interval(drawn - redraws[0], settings.level) or [0.0, 0.0]
        low, high = interval(drawn, settings.level) or [0.0, 0.0]
        miou = float(found.miou)
        first = rows[0].miou / 100 if rows else miou
        rows.append(
            ShotRow(
                shots=number,
                support=len({name for names in support for name in names[:number]}),
                images=len(kept),
                miou=100 * miou,
                low=100 * low,
                high=100 * high,
                pixel_accuracy=100 * float(found.pixel_accuracy),
                gain=(100 * (miou - first), 100 * gains[0], 100 * gains[1]),
            )
        )
    return rows


def as_table(rows: Sequence[ShotRow]) -> list[dict[str, Any]]:
    """Rows as the patches of a printed table."""
    return [
        {
            "shots": row.shots,
            "support images": row.support,
            "images measured": row.images,
            "mIoU": row.miou,
            "interval": f"{row.low:.1f} to {row.high:.1f}",
            "pixel accuracy": row.pixel_accuracy,
            "gain": f"{row.gain[0]:+.1f} ({row.gain[1]:+.1f} to {row.gain[2]:+.1f})",
        }
        for row in rows
    ]
