"""ovseg: segment images by names that you type. Open vocabulary, zero shot, no training and no labels.

>>> import ovseg
>>> result = ovseg.segment("photo.jpg", "cat, dog")
>>> result.mask("cat")  # (H, W) bool

``docs/python.md`` leads through everything that is exported here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ovseg.lazy import lazy_exports
from ovseg.version import __version__

if TYPE_CHECKING:
    from ovseg.api import PresetInfo, discover, evaluate, list_presets, segment, segment_folder
    from ovseg.config import SegmentConfig
    from ovseg.discovery import Discovery, DiscoveryConfig
    from ovseg.errors import (
        BankMismatch,
        ConfigError,
        DatasetError,
        DependencyMissing,
        InputError,
        OutputError,
        OvsegError,
        UnknownName,
        UsageError,
        WeightsUnavailable,
    )
    from ovseg.outputs.segmentation import Segmentation
    from ovseg.pipeline import Segmenter
    from ovseg.pipeline.banks import build_bank
    from ovseg.pipeline.discoverer import Discoverer
    from ovseg.prototypes import PrototypeBank, load_bank, save_bank
    from ovseg.runs import Failure, RunConfig, RunSummary
    from ovseg.runs.pool import build_pool
    from ovseg.support.pool.file import load_pool
    from ovseg.support.pool.model import Pool
    from ovseg.types import Region
    from ovseg.vocabulary import ClassSpec, Vocabulary, load_vocabulary

# Silent unless the program that imports ovseg sets logging up; the command line does for -v.
logging.getLogger("ovseg").addHandler(logging.NullHandler())

_HOMES = {
    "ovseg.api": ("PresetInfo", "discover", "evaluate", "list_presets", "segment", "segment_folder"),
    "ovseg.config": ("SegmentConfig",),
    "ovseg.discovery": ("Discovery", "DiscoveryConfig"),
    "ovseg.errors": (
        "BankMismatch",
        "ConfigError",
        "DatasetError",
        "DependencyMissing",
        "InputError",
        "OutputError",
        "OvsegError",
        "UnknownName",
        "UsageError",
        "WeightsUnavailable",
    ),
    "ovseg.outputs.segmentation": ("Segmentation",),
    "ovseg.pipeline": ("Segmenter",),
    "ovseg.pipeline.banks": ("build_bank",),
    "ovseg.pipeline.discoverer": ("Discoverer",),
    "ovseg.prototypes": ("PrototypeBank", "load_bank", "save_bank"),
    "ovseg.runs": ("Failure", "RunConfig", "RunSummary"),
    "ovseg.runs.pool": ("build_pool",),
    "ovseg.support.pool.file": ("load_pool",),
    "ovseg.support.pool.model": ("Pool",),
    "ovseg.types": ("Region",),
    "ovseg.vocabulary": ("ClassSpec", "Vocabulary", "load_vocabulary"),
}

# Looked up at first use (PEP 562), so that ``import ovseg`` costs milliseconds and never imports torch.
_find, _ = lazy_exports(__name__, {name: home for home, names in _HOMES.items() for name in names})
if not TYPE_CHECKING:
    # A type checker would take any name from a module with a __getattr__.
    __getattr__ = _find

__all__ = [
    "BankMismatch",
    "ClassSpec",
    "ConfigError",
    "DatasetError",
    "DependencyMissing",
    "Discoverer",
    "Discovery",
    "DiscoveryConfig",
    "Failure",
    "InputError",
    "OutputError",
    "OvsegError",
    "Pool",
    "PresetInfo",
    "PrototypeBank",
    "Region",
    "RunConfig",
    "RunSummary",
    "SegmentConfig",
    "Segmentation",
    "Segmenter",
    "UnknownName",
    "UsageError",
    "Vocabulary",
    "WeightsUnavailable",
    "__version__",
    "build_bank",
    "build_pool",
    "discover",
    "evaluate",
    "list_presets",
    "load_bank",
    "load_pool",
    "load_vocabulary",
    "save_bank",
    "segment",
    "segment_folder",
]


def __dir__() -> list[str]:
    return sorted(__all__)
