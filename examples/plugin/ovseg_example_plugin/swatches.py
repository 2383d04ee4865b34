"""Support source ``swatches``: a drawn ellipse in the colour that a class has in its name, with its mask."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from ovseg.support.base import Origin, SupportImage
from ovseg.vocabulary import ClassSpec
from ovseg_example_plugin.colours import COLOURS, colours_in
from ovseg_example_plugin.settings import SwatchSettings


class SwatchSource:
    """Pictures of colours; a class without a colour word gets none."""

    name = "swatches"

    def __init__(self, settings: SwatchSettings) -> None:
        self._settings = settings

    def images(self, spec: ClassSpec, shots: int) -> Iterator[SupportImage]:
        """Up to ``shots`` pictures; the same for the same class and settings."""
        found = [colour for word in spec.words for colour in colours_in(word)]
        for number in range(shots if found else 0):
            yield self._draw(found[0], f"{spec.name}/{number}.png", number)

    def describe(self) -> dict[str, Any]:
        """Whatever can change its pictures."""
        return {"source": self.name, **asdict(self._settings)}

    def _draw(self, colour: str, name: str, number: int) -> SupportImage:
        side = self._settings.side
        random = np.random.default_rng([self._settings.seed, number, *COLOURS[colour]])
        rows, columns = np.mgrid[:side, :side] / side
        (y, x), (height, width) = random.uniform(0.4, 0.6, 2), random.uniform(0.15, 0.35, 2)
        mask = ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 <= 1
        plain = np.where(mask[..., None], COLOURS[colour], random.uniform(90, 170))
        pixels = np.clip(plain + random.normal(0, 6, (side, side, 3)), 0, 255).astype(np.uint8)
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        origin = Origin(self.name, name, digest, "CC0-1.0", {"mark": "given", "colour": colour})
        return SupportImage(pixels, origin, mark=mask.astype(np.uint8))


def open_swatches(*, settings: SwatchSettings) -> SwatchSource:
    """What ``ovseg bank build --source swatches`` opens; of what there is, it takes the settings alone."""
    return SwatchSource(settings)
