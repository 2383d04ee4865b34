"""Segmentation data sets in the layouts that people have on disk: one module a layout, one table of all."""

from ovseg.evaluation.datasets.catalog import DATASETS, DatasetCard

__all__ = ["DATASETS", "DatasetCard"]
