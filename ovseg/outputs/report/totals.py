"""Figures over the whole run, added up an image at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["ClassTotal", "Totals"]


@dataclass
class ClassTotal:
    """What one label takes of all pictures together.

    Attributes:
        images: Pictures it occurs in.
        pixels: Pixels of it.
        weighted: Sum over pictures of pixels times mean confidence; None where confidence is not known.
    """

    images: int = 0
    pixels: float = 0.0
    weighted: float | None = 0.0

    @property
    def confidence(self) -> float | None:
        """Mean confidence over all its pixels, in [0, 1], or None."""
        return None if self.weighted is None or not self.pixels else self.weighted / self.pixels


@dataclass
class Totals:
    """Sums over the images of a run.

    Attributes:
        images: How many.
        pixels: Pixels of their files together.
        labels: Per label that occurs.
    """

    images: int = 0
    pixels: int = 0
    labels: dict[int, ClassTotal] = field(default_factory=dict)

    def add(self, labels: Mapping[str, Sequence[float | None]], size: Sequence[int]) -> None:
        """Add one image.

        Args:
            labels: (share, mean confidence or None) by label, as decimal text.
            size: (H, W).
        """
        area = size[0] * size[1]
        self.images += 1
        self.pixels += area
        for label, (share, confidence) in labels.items():
            total = self.labels.setdefault(int(label), ClassTotal())
            pixels = (share or 0.0) * area
            total.images += 1
            total.pixels += pixels
            total.weighted = (
                None if confidence is None or total.weighted is None else total.weighted + pixels * confidence
            )

    def share(self, label: int) -> float:
        """Part of all pixels that has a label, in [0, 1]."""
        return self.labels[label].pixels / self.pixels if label in self.labels and self.pixels else 0.0
