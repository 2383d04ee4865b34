"""Demonstrations of ``ovseg demo`` that installed packages bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ovseg.config import SegmentConfig
from ovseg.errors import DependencyMissing
from ovseg.registry import Registry, load_plugins

__all__ = ["DEMONSTRATIONS", "Demonstration", "Prepared", "find_demonstration"]


@dataclass(frozen=True)
class Prepared:
    """What a demonstration segments, and with what.

    Attributes:
        inputs: Paths of its images.
        preset: Name of the preset.
        vocabulary: Name or TOML file of the vocabulary.
        segment: Settings of the segmentation.
        bank: File of a prototype bank, if the demonstration has one.
        finish: Called with the output folder after the run; returns the path of a page that it has written.
    """

    inputs: list[str]
    preset: str
    vocabulary: str
    segment: SegmentConfig
    bank: Path | None
    finish: Callable[[Path], Path]


Demonstration = Callable[[Path, Callable[[str], None]], Prepared]
"""Prepares everything for an output folder; the second argument takes lines about the progress."""

DEMONSTRATIONS: Registry[Demonstration] = Registry("demonstration")
"""By the name that ``ovseg demo --show`` takes; packages add to it (entry-point group ``ovseg.plugins``)."""

PACKAGES = {"world": "./examples/learned_world"}
"""Where a checkout of ovseg has the package of a demonstration."""


def find_demonstration(name: str) -> Demonstration:
    """Look up a demonstration of an installed package.

    Raises:
        DependencyMissing: Its package is part of a checkout of ovseg and is not installed.
        UnknownName: No installed package has it.
    """
    load_plugins()
    if name in PACKAGES and name not in DEMONSTRATIONS:
        raise DependencyMissing(
            f"demonstration {name} is a package of its own: in a checkout of ovseg run "
            f" pip install {PACKAGES[name]}"
        )
    return DEMONSTRATIONS.get(name)
