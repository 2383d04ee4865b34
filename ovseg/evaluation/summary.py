"""Records to figures: one pass over the counts, everything that results.json says."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import OutputError
from ovseg.evaluation.bootstrap import Bootstrap, BootstrapSettings, ImageWeights, interval
from ovseg.evaluation.calibration import CalibrationCounts
from ovseg.evaluation.journal import Header
from ovseg.evaluation.metrics import AreaCounts, Figures, area_counts, figures
from ovseg.evaluation.pictures import Ranking
from ovseg.evaluation.record import ImageRecord
from ovseg.evaluation.sizes import SIZES

__all__ = ["OVERALL", "Summary", "summarise"]

OVERALL = ("miou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")
"""Names of the figures of the whole data set, as in ``metrics.Figures`` and results.json."""


@dataclass(frozen=True)
class Summary:
    """What came out.

    Attributes:
        results: The content of results.json.
        confusion: (K, K + 1) int64 over all images.
        shown: ``(index, name, score)`` of the images of the page: best first, and worst first.
    """

    results: dict[str, Any]
    confusion: npt.NDArray[np.int64]
    shown: dict[str, list[tuple[int, str, float]]]


def summarise(header: Header, records: Iterable[ImageRecord]) -> Summary:
    """Add up the records of an evaluation, in the data set's order.

    Raises:
        OutputError: A record is missing, doubled or out of order.
    """
    sums = _Sums(header)
    expected = iter(header.selection)
    for record in records:
        if record.index != next(expected, None):
            raise OutputError(f"the records are not in order at {record.name}: run the evaluation again")
        sums.add(record)
    if next(expected, None) is not None:
        raise OutputError(
            f"only {sums.images} of {len(header.selection)} images are recorded: run it again to go on"
        )
    return sums.summary()


class _Sums:
    """Everything that is added up while records pass by; its size depends on classes and replicates only."""

    def __init__(self, header: Header) -> None:
        classes = len(header.classes)
        self._header = header
        self._settings = BootstrapSettings(**header.identity["bootstrap"])
        self._weights = ImageWeights(len(header.selection), self._settings)
        self._bootstrap = Bootstrap(classes, self._settings)
        self._confusion = np.zeros((classes, classes + 1), np.int64)
        self._boundary = AreaCounts.zero(classes)
        self._sizes = AreaCounts.zero(len(SIZES), classes)
        self._calibration: CalibrationCounts | None = None
        self._ranking = Ranking()
        self._shown: dict[int, tuple[str, float]] = {}
        self._hash = hashlib.sha256()
        self.images = 0

    def add(self, record: ImageRecord) -> None:
        self._bootstrap.add(area_counts(record.confusion), self._weights.next())
        self._confusion += record.confusion
        self._boundary += record.boundary
        self._sizes += record.sizes
        if record.calibration is not None:
            self._calibration = (self._calibration or CalibrationCounts.zero()) + record.calibration
        if self._ranking.add(record):
            self._shown[record.index] = (record.name, record.score)
        self._hash.update(bytes.fromhex(record.sha256))
        self.images += 1

    def summary(self) -> Summary:
        identity, extra = self._header.identity, self._header.extra or {}
        names = self._header.classes
        whole = figures(area_counts(self._confusion))
        boundary = figures(self._boundary)
        redrawn = self._bootstrap.figures()
        notes = list(identity["dataset"]["notes"])
        if self._header.shard[1] > 1:
            notes.append(
                f"only shard {self._header.shard[0]} of {self._header.shard[1]}: {self.images} images"
            )
        results: dict[str, Any] = {
            **{name: _number(getattr(whole, name)) for name in OVERALL},
            "boundary_iou": _number(boundary.miou),
            "images": self.images,
            "notes": notes,
            "intervals": {
                **{name: interval(getattr(redrawn, name), self._settings.level) for name in OVERALL},
                "level": self._settings.level,
                "replicates": self._settings.replicates,
                "seed": self._settings.seed,
            },
            "per_class": self._per_class(whole, boundary, redrawn),
            "classes_at_zero": [name for name, iou in zip(names, whole.iou, strict=True) if iou == 0],
            "absent_classes": [name for name, iou in zip(names, whole.iou, strict=True) if math.isnan(iou)],
            "sizes": self._by_size(),
            "calibration": (
                None
                if self._calibration is None
                else {"error": _number(self._calibration.error()), "curve": self._calibration.curve()}
            ),
            "dataset": identity["dataset"],
            "protocol": identity["protocol"],
            "vocabulary": identity["vocabulary"],
            "predictor": identity["predictor"],
            "hashes": {
                "vocabulary": identity["vocabulary"]["sha256"],
                "templates": identity["protocol"]["templates_sha256"],
                "images": identity["dataset"]["names_sha256"],
                "predictions": self._hash.hexdigest(),
                "evaluation": self._header.digest,
            },
            "ovseg": {"version": identity["ovseg"], "commit": extra.get("commit")},
            "leakage": extra.get("leakage"),
        }
        shown = {"best": self._ranking.best(), "worst": self._ranking.worst()}
        return Summary(
            results=results,
            confusion=self._confusion,
            shown={
                end: [(index, *self._shown[index]) for index in indices] for end, indices in shown.items()
            },
        )

    def _per_class(self, whole: Figures, boundary: Figures, redrawn: Figures) -> dict[str, Any]:
        truth = self._confusion.sum(axis=1)
        total = max(1, int(truth.sum()))
        return {
            name: {
                "iou": _number(whole.iou[i]),
                "accuracy": _number(whole.accuracy[i]),
                "boundary_iou": _number(boundary.iou[i]),
                "interval": interval(redrawn.iou[:, i], self._settings.level),
                "pixel_share": int(truth[i]) / total,
            }
            for i, name in enumerate(self._header.classes)
        }

    def _by_size(self) -> dict[str, Any]:
        by_size = figures(self._sizes)
        return {
            size: {"miou": _number(by_size.miou[s]), "pixels": int(self._sizes.truth[s].sum())}
            for s, size in enumerate(SIZES)
        }


def _number(value: Any) -> float | None:
    """A figure for JSON, which has no NaN."""
    return None if math.isnan(value) else float(value)
