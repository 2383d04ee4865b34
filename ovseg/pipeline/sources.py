"""Sources of support images by name, opened with what they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from ovseg.encoders.presets import Preset
from ovseg.errors import UsageError
from ovseg.support.base import SUPPORT_SOURCES, SupportSource
from ovseg.vocabulary import ClassSpec

__all__ = ["as_source", "known_source", "open_source"]

_GIVEN = ("encoders", "classes", "settings")
"""Keywords that there always are; ``settings`` where the source declares some."""


def known_source(name: str, **inputs: Any) -> Callable[..., SupportSource]:
    """Return what opens a source, after checking that it exists and has what it needs.

    Raises:
        UnknownName: No source of that name.
        UsageError: The source lacks an input.
    """
    opener = SUPPORT_SOURCES.get(name)
    for key, parameter in signature(opener).parameters.items():
        if key not in _GIVEN and parameter.default is parameter.empty and inputs.get(key) is None:
            raise UsageError(f"the source {name} needs {key}=", parameters=[key])
    return opener


def open_source(
    name: str, encoders: Preset, classes: Sequence[ClassSpec], settings: Any = None, **inputs: Any
) -> SupportSource:
    """Open a source.

    Args:
        name: ``folder``, ``retrieval``, ``diffusion``, ``auto``, or a plug-in's.
        encoders: The preset with which the bank is built.
        classes: What will be asked for.
        settings: An instance of the settings that the source declares; None: their defaults.
        inputs: Of which the source gets those that it names. ``support``: a folder; ``pool``: a pool,
            ``photos``: where its folders lie now, ``config``: a ``RetrievalConfig``; ``diffusion``: a
            ``DiffusionConfig``, ``generated``: a folder; ``on_message``. None counts as not given.

    Raises:
        UnknownName: No source of that name.
        UsageError: The source lacks an input.
    """
    opener, declared = known_source(name, **inputs), SUPPORT_SOURCES.about(name).settings
    given = {key: value for key, value in inputs.items() if value is not None}
    given |= {"encoders": encoders, "classes": classes}
    if declared is not None:
        given["settings"] = settings or declared()
    taken = signature(opener).parameters
    return opener(**{key: value for key, value in given.items() if key in taken})


def as_source(
    source: SupportSource | str | Path, encoders: Preset, classes: Sequence[ClassSpec]
) -> SupportSource:
    """Return a source as it is; a path becomes the source ``folder``."""
    if isinstance(source, str | Path):
        return open_source("folder", encoders, classes, support=Path(source))
    return source
