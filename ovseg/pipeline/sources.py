"""Sources of support images by name, opened with what they need."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ovseg.encoders.presets import Encoders
from ovseg.errors import UsageError
from ovseg.support.base import SUPPORT_SOURCES, SupportSource
from ovseg.vocabulary import ClassSpec

__all__ = ["as_source", "known_source", "open_source"]

_HOMES = {
    "folder": "ovseg.support.folder",
    "retrieval": "ovseg.support.pool.retrieval",
    "diffusion": "ovseg.support.diffusion.source",
    "auto": "ovseg.support.auto",
}
"""Modules that register ovseg's own sources; imported when one is asked for."""
_NEEDS = {
    "folder": "support",
    "retrieval": "pool",
    "auto": "pool",
}


def known_source(name: str, **settings: Any) -> Callable[..., SupportSource]:
    """What opens a source, once it is known that there is one and that it has what it needs.

    Raises:
        UnknownName: No source of that name.
        UsageError: The source lacks a setting.
    """
    for home in _HOMES.values():
        importlib.import_module(home)
    factory = SUPPORT_SOURCES.get(name)
    need = _NEEDS.get(name)
    if need is not None and settings.get(need) is None:
        raise UsageError(f"the source {name} needs {need}=", parameters=[need])
    return factory


def open_source(
    name: str, encoders: Encoders, classes: Sequence[ClassSpec], **settings: Any
) -> SupportSource:
    """Open a source.

    Args:
        name: ``folder``, ``retrieval``, ``diffusion``, ``auto``, or a plug-in's.
        encoders: The preset with which the bank is built.
        classes: What will be asked for.
        settings: ``support``: the folder of ``folder``; ``pool``: the pool of ``retrieval``, ``photos``:
            where its folders lie now, ``config``: a ``RetrievalConfig``; ``diffusion`` (a
            ``DiffusionConfig``), ``generated`` (a folder) and ``on_message`` for ``diffusion``; those of both
            for ``auto``; others by source. None counts as not given.

    Raises:
        UnknownName: No source of that name.
        UsageError: The source lacks a setting.
    """
    factory = known_source(name, **settings)
    given = {key: value for key, value in settings.items() if value is not None}
    return factory(encoders=encoders, classes=classes, **given)


def as_source(
    source: SupportSource | str | Path, encoders: Encoders, classes: Sequence[ClassSpec]
) -> SupportSource:
    """A source as it is; a path is the folder of ``folder``."""
    if isinstance(source, str | Path):
        return open_source("folder", encoders, classes, support=Path(source))
    return source
