"""Object discovery without names: boxes by CorLoc, single-object masks by IoU, F-beta and accuracy.

CorLoc (Deselaers et al., ECCV 2010; as in LOST and TokenCut): the share of images whose one predicted box
hits any true box with IoU of at least 0.5. Masks as TokenCut (Wang et al., CVPR 2022) measures them: means
over images, and the maximum over thresholds of F-beta of the mean precision and recall, beta squared 0.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.evaluation.bootstrap import BootstrapSettings, ImageWeights, interval
from ovseg.evaluation.boxes import Box

__all__ = ["BETA_SQUARED", "MaskScores", "box_iou", "corloc"]

BETA_SQUARED = 0.3
_THRESHOLDS = 255


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two XYXY boxes with exclusive ends, in [0, 1]."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def corloc(
    predicted: Mapping[str, Box | None],
    true: Mapping[str, Sequence[Box]],
    *,
    threshold: float = 0.5,
    settings: BootstrapSettings | None = None,
) -> dict[str, Any]:
    """Score boxes.

    Args:
        predicted: One box an image, or None: nothing found, which counts as a miss.
        true: True boxes an image; images without any are left out. An image that has no prediction at all
            counts as a miss.
        threshold: IoU from which a box hits.
        settings: For the interval over images.

    Returns:
        ``corloc`` in [0, 1] (None without images), its ``interval``, ``images``, ``missing`` (images without
        a prediction), ``mean_iou`` of the best true box.
    """
    settings = settings or BootstrapSettings()
    names = sorted(name for name, boxes in true.items() if boxes)
    best = np.zeros(len(names))
    for i, name in enumerate(names):
        found = predicted.get(name)
        if found is not None:
            best[i] = max(box_iou(found, box) for box in true[name])
    hits = best >= threshold
    return {
        "corloc": float(hits.mean()) if names else None,
        "interval": _mean_interval(hits.astype(np.float64), settings) if names else None,
        "mean_iou": float(best.mean()) if names else None,
        "images": len(names),
        "missing": sum(predicted.get(name) is None for name in names),
        "threshold": threshold,
    }


class MaskScores:
    """Adds up the figures of single-object masks, an image at a time."""

    def __init__(self) -> None:
        self._iou: list[float] = []
        self._accuracy: list[float] = []
        self._precision = np.zeros(_THRESHOLDS)
        self._recall = np.zeros(_THRESHOLDS)

    def add(
        self,
        predicted: npt.NDArray[np.floating[Any]],
        true: npt.NDArray[np.bool_],
        valid: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one image.

        Args:
            predicted: (H, W) in [0, 1]; a mask is 0 and 1. Objects are where it exceeds 0.5.
            true: (H, W) bool.
            valid: (H, W) bool, pixels that count; all by default.

        Raises:
            ValueError: Shapes differ.
        """
        if predicted.shape != true.shape:
            raise ValueError(f"mask {predicted.shape} does not match truth {true.shape}")
        if valid is not None:
            predicted, true = predicted[valid], true[valid]
        values, truth = predicted.ravel(), true.ravel()
        mask = values > 0.5
        union = int((mask | truth).sum())
        self._iou.append(float((mask & truth).sum() / union) if union else 1.0)
        self._accuracy.append(float((mask == truth).mean()) if truth.size else 1.0)
        # How many pixels lie above each threshold t / 255, t = 0 … 254: cumulative counts from the top.
        level = np.minimum(np.ceil(values * _THRESHOLDS).astype(np.int64), _THRESHOLDS)
        above = np.bincount(level, minlength=_THRESHOLDS + 1)[::-1].cumsum()[::-1][1:]
        hits = np.bincount(level[truth], minlength=_THRESHOLDS + 1)[::-1].cumsum()[::-1][1:]
        self._precision += hits / np.maximum(above, 1)
        self._recall += hits / max(1, int(truth.sum()))

    def results(self, settings: BootstrapSettings | None = None) -> dict[str, Any]:
        """``iou``, its ``interval``, ``max_f_beta`` and ``accuracy`` in [0, 1]; None without images."""
        count = len(self._iou)
        if not count:
            return {"iou": None, "interval": None, "max_f_beta": None, "accuracy": None, "images": 0}
        precision, recall = self._precision / count, self._recall / count
        bottom = BETA_SQUARED * precision + recall
        f_beta = (1 + BETA_SQUARED) * precision * recall / np.where(bottom > 0, bottom, 1)
        return {
            "iou": float(np.mean(self._iou)),
            "interval": _mean_interval(np.asarray(self._iou), settings or BootstrapSettings()),
            "max_f_beta": float(f_beta.max()),
            "accuracy": float(np.mean(self._accuracy)),
            "images": count,
        }


def _mean_interval(values: npt.NDArray[np.float64], settings: BootstrapSettings) -> list[float] | None:
    """Bootstrap interval of a mean over images."""
    weights = ImageWeights(len(values), settings)
    sums = np.zeros(settings.replicates)
    for value in values:
        sums += value * weights.next()
    return interval(sums / len(values), settings.level)
