"""Does the confidence mean what it says? Reliability curve and expected calibration error.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2, over pixels: confidences fall
into equal bins; in each, the share of right pixels should equal the mean confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ovseg.evaluation.metrics import VOID

__all__ = ["BINS", "CalibrationCounts", "calibration_counts"]

BINS = 15
"""The paper's number of bins."""

# Every float16 is a whole multiple of 2**-24, so sums of confidences are whole numbers: exact, and the same
# in whatever order images are added.
_UNIT = 2.0**24
_CODES = 2**16


@dataclass(frozen=True)
class CalibrationCounts:
    """Sums over pixels, by confidence bin; counts of images are added.

    Attributes:
        pixels: (BINS,) int64 pixels in the bin.
        right: (BINS,) int64 of them right.
        confidence: (BINS,) int64 sum of the confidences in units of 2**-24.
    """

    pixels: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.int64]

    @classmethod
    def zero(cls) -> CalibrationCounts:
        """Nothing counted yet."""
        return cls(*(np.zeros(BINS, np.int64) for _ in range(3)))

    def __add__(self, other: CalibrationCounts) -> CalibrationCounts:
        return CalibrationCounts(
            self.pixels + other.pixels, self.right + other.right, self.confidence + other.confidence
        )

    def error(self) -> float:
        """Expected calibration error in [0, 1]: mean gap between accuracy and confidence, weighted by pixels.

        NaN when no pixel was counted.
        """
        total = int(self.pixels.sum())
        return float(np.abs(self.right - self.confidence / _UNIT).sum() / total) if total else float("nan")

    def curve(self) -> list[dict[str, float | int]]:
        """The reliability curve: for each bin that holds pixels its range, mean confidence and accuracy."""
        return [
            {
                "from": b / BINS,
                "to": (b + 1) / BINS,
                "pixels": int(self.pixels[b]),
                "confidence": float(self.confidence[b] / _UNIT / self.pixels[b]),
                "accuracy": float(self.right[b] / self.pixels[b]),
            }
            for b in np.flatnonzero(self.pixels)
        ]


def calibration_counts(
    truth: npt.NDArray[np.uint8], prediction: npt.NDArray[np.uint8], confidence: npt.NDArray[np.float16]
) -> CalibrationCounts:
    """Count one image. Void pixels, and pixels without an answer, are left out.

    Args:
        truth: (H, W) uint8 indices, ``VOID`` ignored.
        prediction: (H, W) uint8 indices, ``VOID`` = no answer.
        confidence: (H, W) float16 in [0, 1].

    Raises:
        ValueError: A confidence is not in [0, 1].
    """
    counted = (truth != VOID) & (prediction != VOID)
    codes = np.ascontiguousarray(confidence).view(np.uint16)
    pixels = np.bincount(codes[counted], minlength=_CODES)
    right = np.bincount(codes[counted & (truth == prediction)], minlength=_CODES)
    values = np.arange(_CODES, dtype=np.uint16).view(np.float16)
    used = np.flatnonzero(pixels)
    if not ((values[used] >= 0) & (values[used] <= 1)).all():
        raise ValueError("a confidence is not in [0, 1]")
    exact = values[used].astype(np.float64)
    bins = np.minimum((exact * BINS).astype(np.int64), BINS - 1)
    sums = np.zeros((3, BINS), np.int64)
    for row, counts in enumerate(
        (pixels[used], right[used], pixels[used] * (exact * _UNIT).astype(np.int64))
    ):
        np.add.at(sums[row], bins, counts)
    return CalibrationCounts(*sums)
