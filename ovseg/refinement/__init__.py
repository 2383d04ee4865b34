"""Refinement: scores on a grid to labels of pixels. Pure functions over arrays."""

from ovseg.refinement.labels import label_map
from ovseg.refinement.pamr import pamr

__all__ = ["label_map", "pamr"]
