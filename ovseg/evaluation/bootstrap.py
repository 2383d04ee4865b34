"""How much a figure could differ with other images: bootstrap over images, streamed.

Efron's bootstrap redraws the images with replacement; the figure's spread over the redraws gives the interval
(percentiles). A redraw is a multinomial vector of weights; drawn one image after the other as conditional
binomials it needs no list of images, so memory stays at (replicates, 3, K) counts however many images there
are. The same seed draws the same weights, which is what makes two runs comparable pair by pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ovseg.evaluation.metrics import AreaCounts, Figures, figures

__all__ = ["Bootstrap", "BootstrapSettings", "ImageWeights", "interval"]


@dataclass(frozen=True)
class BootstrapSettings:
    """How intervals are drawn.

    Attributes:
        replicates: Number of redraws.
        level: Share of the redraws inside the interval.
        seed: Seed of the redraws.
    """

    replicates: int = 1000
    level: float = 0.95
    seed: int = 0


class ImageWeights:
    """How often each redraw holds each image, image by image.

    Args:
        images: Number of images; ``next`` must be called so many times.
        settings: Replicates and seed.
    """

    def __init__(self, images: int, settings: BootstrapSettings) -> None:
        self._generator = np.random.default_rng(settings.seed)
        self._images_left = images
        self._draws_left = np.full(settings.replicates, images, np.int64)

    def next(self) -> npt.NDArray[np.int64]:
        """(replicates,) int64 weights of the next image; over all images each column sums to their number.

        Raises:
            ValueError: More images than were announced.
        """
        if self._images_left == 0:
            raise ValueError("more images than were announced")
        # Given what earlier images took, the share of each remaining draw that falls to this one is 1 / left.
        weights = self._generator.binomial(self._draws_left, 1 / self._images_left).astype(np.int64)
        self._draws_left -= weights
        self._images_left -= 1
        return weights


class Bootstrap:
    """Counts of all redraws of one run; see the module's text.

    Args:
        classes: K.
        settings: Replicates and level.
    """

    def __init__(self, classes: int, settings: BootstrapSettings) -> None:
        self._settings = settings
        self._sums = np.zeros((settings.replicates, 3, classes), np.int64)

    def add(self, counts: AreaCounts, weights: npt.NDArray[np.int64]) -> None:
        """Add one image with its weights (replicates,)."""
        stacked = np.stack([counts.intersection, counts.predicted, counts.truth])
        present = np.flatnonzero(stacked.any(axis=0))
        self._sums[:, :, present] += weights[:, None, None] * stacked[:, present]

    def figures(self) -> Figures:
        """The figures of every redraw, leading axis = replicate."""
        return figures(AreaCounts(self._sums[:, 0], self._sums[:, 1], self._sums[:, 2]))


def interval(values: npt.NDArray[np.float64], level: float) -> list[float] | None:
    """Lower and upper percentile of the redraws (replicates,); None when no redraw has a value."""
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    tail = (1 - level) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return [float(low), float(high)]
