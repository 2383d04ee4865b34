"""Settings that calls in Python take by name."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["SegmentSettings"]


class SegmentSettings(TypedDict, total=False):
    """The settings of :class:`~ovseg.config.SegmentConfig` that are changed most; it describes them.

    Attributes:
        image_size: Shorter side in pixels at which the backbone sees an image.
        scales: Shorter sides in pixels at which the image-text encoder sees it.
        prototype_weight: Weight of a bank's prototypes in the scores.
        refine: How edges are refined: ``none``, ``pamr`` or ``crf``.
        refine_side: Longer side in pixels at which refinement works.
        abstain: Confidence in [0, 1] below which a pixel gets no answer; None never abstains.
        keep_scores: Whether a result keeps every class's score on the patch grid.
    """

    image_size: int
    scales: tuple[int, ...]
    prototype_weight: float
    refine: str
    refine_side: int
    abstain: float | None
    keep_scores: bool
