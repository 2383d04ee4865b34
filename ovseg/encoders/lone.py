"""A shape encoder by itself: all that is wanted where nobody asks for names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ovseg.encoders.base import ShapeEncoder
from ovseg.encoders.loaded import weights_in_use
from ovseg.encoders.sources import card_for
from ovseg.encoders.visual.load import load_visual
from ovseg.weights.cards import WeightCard

__all__ = ["LoneShape", "load_lone_shape"]


@dataclass(frozen=True)
class LoneShape:
    """A loaded shape encoder.

    Attributes:
        preset: Name of the preset that it is of, or what stands in its place in run.json.
        shape: Role *shape*.
        device: Where it computes.
        cards: Weights in use.
    """

    preset: str
    shape: ShapeEncoder
    device: torch.device
    cards: tuple[WeightCard, ...]

    def describe(self) -> dict[str, Any]:
        """What is in use, for run.json."""
        return {"preset": self.preset, "device": str(self.device), "weights": weights_in_use(self.cards)}


def load_lone_shape(spec: str, *, device: torch.device, dtype: torch.dtype = torch.float32) -> LoneShape:
    """Load a visual encoder by its spec; raises as ``load_visual`` does."""
    shape = load_visual(spec, device=device, dtype=dtype)
    return LoneShape(f"none, --shape {spec}", shape, device, (card_for(spec),))
