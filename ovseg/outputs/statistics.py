"""Figures of one segmentation: how much of the picture each class takes, and how sure the answer is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ovseg.types import LabelMap

__all__ = ["ClassFigures", "class_figures"]


@dataclass(frozen=True)
class ClassFigures:
    """What one label takes of one picture.

    Attributes:
        share: Part of the pixels, in (0, 1].
        confidence: Mean confidence of those pixels, in [0, 1].
    """

    share: float
    confidence: float


def class_figures(segmentation: LabelMap) -> dict[int, ClassFigures]:
    """Figures of every label that occurs, background and void included, by ascending label."""
    labels = segmentation.labels.ravel()
    pixels = np.bincount(labels)
    sums = np.bincount(labels, weights=segmentation.confidence.ravel())
    return {
        int(label): ClassFigures(float(pixels[label] / labels.size), float(sums[label] / pixels[label]))
        for label in np.flatnonzero(pixels)
    }
