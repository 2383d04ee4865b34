"""The values that flow between the packages: frozen, checked, documented with shapes.

Letters used everywhere: ``H, W`` an image's pixels; ``h, w`` patches of a feature grid; ``D`` feature
length; ``K`` classes without background; ``P`` prototypes; ``M`` masks; ``N = h * w`` patches. Boxes
are XYXY in pixels unless a name says otherwise, with exclusive right and lower ends.

This module knows NumPy only: the command line imports it without waiting for torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import UnknownName, suggestion

__all__ = ["VOID8", "VOID16", "LabelMap", "Region", "void_index"]

VOID8 = 255
"""Label of a pixel that got no answer, in label maps of up to 254 classes."""
VOID16 = 65535
"""The same in 16-bit label maps, used for 255 classes and more."""


def void_index(classes: int) -> int:
    """Void label for ``classes`` names (background not counted): 255, or 65535 from 255 names on."""
    return VOID8 if classes < VOID8 else VOID16


@dataclass(frozen=True)
class Region:
    """One class-agnostic object or part.

    Attributes:
        mask: (H, W) or (h, w) bool.
        score: How sure the finder is that this is an object, in [0, 1].
        box: XYXY around the mask, in the mask's own pixels, exclusive ends.
        area: Pixels of the mask.
    """

    mask: npt.NDArray[np.bool_]
    score: float
    box: tuple[int, int, int, int]
    area: int

    @classmethod
    def from_mask(cls, mask: npt.NDArray[np.bool_], score: float) -> Region:
        """Make a region with the box and area of ``mask``.

        Raises:
            ValueError: The mask is empty or not two-dimensional.
        """
        if mask.ndim != 2 or not mask.any():
            raise ValueError(
                f"expected a non-empty (H, W) mask, got shape {mask.shape} with {mask.sum()} pixels"
            )
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        return cls(mask=mask, score=float(score), box=box, area=int(mask.sum()))


@dataclass(frozen=True, repr=False, eq=False)
class LabelMap:
    """What every pixel of one image is; ``ovseg.Segmentation`` adds what users do with it.

    Attributes:
        labels: (H, W) uint8, or uint16 from 255 classes on. 0 = background; 1… = ``names[1:]``; ``void`` =
            abstained.
        confidence: (H, W) float16 in [0, 1]: the winning class's share of the score at that pixel.
        names: ``names[i]`` is what label ``i`` means; ``names[0]`` is always ``"background"``.
        scores: (K + 1, h, w) float16 in [0, 1], every class's score on the grid (0 = background), or None
            when scores were not asked for.
        details: Further arrays by name (for the report and for explanations); free of contract.
    """

    labels: npt.NDArray[Any]
    confidence: npt.NDArray[np.float16]
    names: tuple[str, ...]
    scores: npt.NDArray[np.float16] | None = None
    details: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.labels.ndim != 2 or self.labels.dtype not in (np.uint8, np.uint16):
            raise ValueError(
                f"expected (H, W) uint8/uint16 labels, got {self.labels.shape} {self.labels.dtype}"
            )
        if self.confidence.shape != self.labels.shape:
            raise ValueError(f"confidence {self.confidence.shape} does not match labels {self.labels.shape}")
        if not self.names or self.names[0] != "background":
            raise ValueError("names[0] must be 'background'")

    def __repr__(self) -> str:
        height, width = self.labels.shape
        shares = sorted(self.shares().items(), key=lambda entry: -entry[1])
        shown = [f"{self._name(label)} {100 * share:.0f} %" for label, share in shares[:6]]
        more = [f"{len(shares) - 6} more"] if len(shares) > 6 else []
        return f"{type(self).__name__}({width}x{height}: {', '.join([*shown, *more])})"

    def _name(self, label: int) -> str:
        return "no answer" if label == self.void else self.names[label]

    @property
    def void(self) -> int:
        """The label that means abstained."""
        return void_index(len(self.names) - 1)

    def label(self, name: str) -> int:
        """Return the label of a class, or of ``"background"``; case does not count.

        Raises:
            UnknownName: No class has that name; the line lists the nearest ones.
        """
        folded = [entry.casefold() for entry in self.names]
        wanted = " ".join(name.split()).casefold()
        if wanted not in folded:
            raise UnknownName(f"no class is named {name!r}: {suggestion(name, self.names)}")
        return folded.index(wanted)

    def mask(self, name: str) -> npt.NDArray[np.bool_]:
        """Return the (H, W) bool mask of the pixels of a class, or of ``"background"``.

        Raises:
            UnknownName: No class has that name; the line lists the nearest ones.
        """
        found: npt.NDArray[np.bool_] = self.labels == self.label(name)
        return found

    def shares(self) -> dict[int, float]:
        """Share of the pixels of each label that occurs, by label."""
        counts = np.bincount(self.labels.ravel())
        return {int(label): float(counts[label]) / self.labels.size for label in np.flatnonzero(counts)}
