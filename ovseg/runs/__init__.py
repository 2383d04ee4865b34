"""Runs over many images: decode ahead, segment, write behind; resume, share out, account for all."""

from ovseg.runs.config import RunConfig, parse_shard
from ovseg.runs.engine import ImageSegmenter, run_segmentation
from ovseg.runs.progress import Progress, Silent
from ovseg.runs.summary import Failure, RunSummary

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
