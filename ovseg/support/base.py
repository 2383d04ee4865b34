"""What every source of support images gives: pictures of a class, with where they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ovseg.registry import Registry, registry_of
from ovseg.vocabulary import ClassSpec

__all__ = ["SUPPORT_SOURCES", "UNKNOWN", "Origin", "SupportImage", "SupportSource"]

UNKNOWN = 255
"""In a mark: nothing is said of this pixel."""


@dataclass(frozen=True)
class Origin:
    """Where a support image comes from; it stands in the bank beside every prototype made of the image.

    Attributes:
        source: Name of the source: ``retrieval``, ``diffusion``, ``folder``…
        name: Relative POSIX path, or the name of a generated image.
        sha256: Of the file's bytes; for a generated image of its PNG.
        licence: As far as it is known; ``"unknown"`` otherwise.
        details: Further facts, JSON-able: similarity, prompt, seed, model, revision.
    """

    source: str
    name: str
    sha256: str
    licence: str = "unknown"
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SupportImage:
    """A picture that shows a class.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        origin: Where it comes from.
        mark: (H, W) uint8, what a person marked: 1 the class, 0 not the class, ``UNKNOWN`` nothing said;
            or None: no marks. A full mask has no ``UNKNOWN``.
        attribution: (H, W) float32 in [0, 1], how much the source itself thinks of the class at a pixel
            (cross-attention of a diffusion model), or None.
    """

    pixels: npt.NDArray[np.uint8]
    origin: Origin
    mark: npt.NDArray[np.uint8] | None = None
    attribution: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"expected (H, W, 3) uint8 pixels, got {self.pixels.shape} {self.pixels.dtype}")
        for name, values in (("mark", self.mark), ("attribution", self.attribution)):
            if values is not None and values.shape != self.pixels.shape[:2]:
                raise ValueError(f"{name} {values.shape} does not match pixels {self.pixels.shape[:2]}")


class SupportSource(Protocol):
    """Where support images come from."""

    name: str

    def images(self, spec: ClassSpec, shots: int) -> Iterator[SupportImage]:
        """Up to ``shots`` pictures of a class, the most telling first; fewer where there are no more.

        The same call gives the same pictures in the same order.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """What it is, as JSON: whatever can change its pictures."""
        ...


SUPPORT_SOURCES: Registry[Callable[..., SupportSource]] = registry_of("source")
"""Openers of sources by name. Of what ``open_source`` has, an opener is given the keywords that it names; one
that it names without a default must be there."""
