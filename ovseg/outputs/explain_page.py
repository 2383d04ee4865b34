"""The page of ``ovseg explain``: each region of a result with the support regions that decided it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ovseg.outputs.pages import write_page

__all__ = ["ExplainedRegion", "SupportMatch", "write_explanation"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SupportMatch:
    """A support region that is nearest to patches of a region of the result.

    Attributes:
        class_name: What it is a prototype of.
        around: Whether it is a background prototype, of what surrounds the class.
        name: Of the support image.
        sha256: Of its file.
        licence: As far as it is known.
        space: Feature space in which it won.
        similarity: Mean cosine with the patches to which it is nearest, less what all classes have in common.
        share: Of the region's cells.
        picture: (H, W, 3) uint8 thumbnail with the support region drawn, or None: the photo was not found.
    """

    class_name: str
    name: str
    sha256: str
    licence: str
    space: str
    similarity: float
    share: float
    picture: Pixels | None
    around: bool = False


@dataclass(frozen=True)
class ExplainedRegion:
    """One connected region of the result.

    Attributes:
        label: Of its class, 0 background.
        class_name: What it is.
        score: Mean score of the class in it.
        share: Of the image.
        runner_up: (class, mean score) that came second.
        support: What is nearest for the class, for most patches first.
        rivals: For the runner-up, likewise.
    """

    label: int
    class_name: str
    score: float
    share: float
    runner_up: tuple[str, float] | None
    support: tuple[SupportMatch, ...]
    rivals: tuple[SupportMatch, ...]


def write_explanation(
    path: Path,
    title: str,
    picture: Pixels,
    regions: npt.NDArray[np.integer],
    explained: Sequence[ExplainedRegion],
) -> None:
    """Write one self-contained page.

    Args:
        path: The page.
        title: Name of the image.
        picture: (H, W, 3) uint8, the photo with its result drawn over it.
        regions: (h, w) index of each patch's region in ``explained``.
        explained: The regions.

    Raises:
        OutputError: It cannot be written.
    """
    rows, columns = regions.shape
    write_page(
        path,
        "explanation.html",
        title=title,
        picture=picture,
        regions=explained,
        patches={"rows": rows, "columns": columns, "regions": regions.reshape(-1).tolist()},
    )
