"""The line of ``images.jsonl`` that stands for one image."""

from __future__ import annotations

from typing import Any

from ovseg.images import ImageFile
from ovseg.outputs.statistics import class_figures
from ovseg.types import LabelMap

__all__ = ["class_statistics", "done_line", "failed_line"]

DIGITS = 6


def done_line(
    image: ImageFile,
    source: dict[str, Any],
    size: tuple[int, int],
    segmentation: LabelMap,
    files: dict[str, list[str]],
    seconds: float,
) -> dict[str, Any]:
    """Describe an image that is done; all but ``seconds`` depends on its content and the configuration only.

    Args:
        image: The image.
        source: Identity of the file: ``bytes``, ``modified`` (ns) and ``sha256``.
        size: (H, W) of the file.
        segmentation: What was found.
        files: Paths of the files written for it, relative to the run folder, by format.
        seconds: Time spent on it: decoding, its part of the batch, writing.
    """
    classes, abstained = class_statistics(segmentation)
    return {
        "path": str(image.path),
        "stem": image.stem.as_posix(),
        "status": "ok",
        "size": list(size),
        **source,
        "classes": classes,
        "abstained": abstained,
        "files": files,
        "seconds": round(seconds, 4),
    }


def failed_line(image: ImageFile, reason: str) -> dict[str, Any]:
    """Describe an image that could not be segmented."""
    return {"path": str(image.path), "stem": image.stem.as_posix(), "status": "failed", "error": reason}


def class_statistics(segmentation: LabelMap) -> tuple[dict[str, dict[str, float]], float]:
    """Share of the pixels and mean confidence of each class that occurs, and the share that abstained.

    Returns:
        ``{name: {"share": …, "confidence": …}}`` in label order, both in [0, 1], and the abstained share.
    """
    figures = class_figures(segmentation)
    abstained = figures.pop(segmentation.void, None)
    classes = {
        segmentation.names[label]: {
            "share": round(found.share, DIGITS),
            "confidence": round(found.confidence, DIGITS),
        }
        for label, found in figures.items()
    }
    return classes, round(abstained.share, DIGITS) if abstained else 0.0
