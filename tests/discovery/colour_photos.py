"""Photos of a coloured square, and an encoder whose features are colours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from ovseg.encoders.presets import EncoderSource, LoadContext, Preset, PresetCard

SQUARE = (60, 40, 140, 110)


class ColourShape:
    """A backbone: a patch's feature is its mean colour around grey."""

    patch = 14
    family = "other"

    def encode(self, images: torch.Tensor, wanted: Iterable[tuple[int, str]]) -> dict[Any, torch.Tensor]:
        patches = torch.nn.functional.avg_pool2d(images - 0.5, self.patch).permute(0, 2, 3, 1)
        return dict.fromkeys(wanted, patches)

    def saliency(self, tokens: torch.Tensor) -> None:
        return None

    def describe(self) -> dict[str, Any]:
        return {"what": "colours"}


def colour_encoders() -> Preset:
    return Preset(colour_card(), LoadContext())


def colour_card() -> PresetCard:
    """A preset on record with a backbone alone, which needs no weights."""
    return PresetCard("colours", "colours", backbone=EncoderSource(lambda _: cast(Any, ColourShape())))


def draw(path: Path) -> None:
    photo = np.full((160, 200, 3), (30, 60, 220), np.uint8)
    x0, y0, x1, y1 = SQUARE
    photo[y0:y1, x0:x1] = (240, 200, 20)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo).save(path)
