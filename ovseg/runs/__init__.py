"""Runs over many images: decode ahead, segment, write behind; resume, share out, account for all."""

from typing import TYPE_CHECKING

from ovseg.lazy import lazy_exports

if TYPE_CHECKING:
    from ovseg.progress import Progress, Silent
    from ovseg.runs.config import RunConfig, parse_shard
    from ovseg.runs.engine import ImageSegmenter, run_segmentation
    from ovseg.runs.summary import Failure, RunSummary
else:
    # The engine imports NumPy and the writers; the help of the command line needs the configuration only.
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "Failure": "ovseg.runs.summary",
            "ImageSegmenter": "ovseg.runs.engine",
            "Progress": "ovseg.progress",
            "RunConfig": "ovseg.runs.config",
            "RunSummary": "ovseg.runs.summary",
            "Silent": "ovseg.progress",
            "parse_shard": "ovseg.runs.config",
            "run_segmentation": "ovseg.runs.engine",
        },
    )

__all__ = [
    "Failure",
    "ImageSegmenter",
    "Progress",
    "RunConfig",
    "RunSummary",
    "Silent",
    "parse_shard",
    "run_segmentation",
]
