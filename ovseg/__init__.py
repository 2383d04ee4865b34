"""ovseg: segment images by names that you type. Open vocabulary, zero shot, no training and no labels."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ovseg.version import __version__

if TYPE_CHECKING:
    from ovseg.errors import OvsegError
    from ovseg.pipeline import Segmenter
    from ovseg.pipeline.banks import build_bank
    from ovseg.types import Region, Segmentation
    from ovseg.vocabulary import ClassSpec, Vocabulary

__all__ = [
    "ClassSpec",
    "OvsegError",
    "Region",
    "Segmentation",
    "Segmenter",
    "Vocabulary",
    "__version__",
    "build_bank",
]

# Looked up at first use (PEP 562), so that ``import ovseg`` costs milliseconds and never imports torch.
_HOMES = {
    "ClassSpec": "ovseg.vocabulary",
    "OvsegError": "ovseg.errors",
    "Region": "ovseg.types",
    "Segmentation": "ovseg.types",
    "Segmenter": "ovseg.pipeline",
    "Vocabulary": "ovseg.vocabulary",
    "build_bank": "ovseg.pipeline.banks",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ovseg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
