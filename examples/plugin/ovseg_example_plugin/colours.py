"""Colour words, and colours in CIE Lab, where distances are about those that people see."""

from __future__ import annotations

import json
from pathlib import Path

import torch

COLOURS: dict[str, list[int]] = json.loads(Path(__file__).with_name("colours.json").read_text("utf-8"))
"""sRGB of each colour word."""

_TO_XYZ = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = torch.tensor([0.95047, 1.0, 1.08883])
_EDGE = (6 / 29) ** 3


def colours_in(text: str) -> list[str]:
    """Colour words of a text, in its order."""
    words = text.casefold().replace("gray", "grey").replace("-", " ").split()
    return [word for word in words if word in COLOURS]


def lab(rgb: torch.Tensor) -> torch.Tensor:
    """(…, 3) sRGB in [0, 1] to (…, 3) CIE Lab (D65): L in [0, 100], a and b around 0."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = (linear @ _TO_XYZ.to(rgb).T) / _WHITE.to(rgb)
    root = torch.where(ratio > _EDGE, ratio.clamp_min(1e-12) ** (1 / 3), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = root.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-1)
