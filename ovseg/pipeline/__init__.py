"""The composer: the only room that joins encoders and stages."""

from ovseg.pipeline.segmenter import Segmenter

__all__ = ["Segmenter"]
