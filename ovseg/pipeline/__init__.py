"""Encoders and stages put together: photos to segmentations, support images to banks."""

from ovseg.pipeline.segmenter import Segmenter

__all__ = ["Segmenter"]
