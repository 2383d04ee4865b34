"""Stuff: textures drawn from noise, one function a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating[Any]]


def texture(name: str, side: int, rng: np.random.Generator) -> Array:
    """(side, side, 3) float32 in [0, 1]: a square of stuff, its grain in pixels whatever the side."""
    drawn: Array = np.clip(_DRAW[name](side, rng) * rng.uniform(0.88, 1.08), 0, 1).astype(np.float32)
    return drawn


def noise(height: int, width: int, patch: tuple[float, float], rng: np.random.Generator) -> Array:
    """(height, width) smooth noise of about unit deviation, in grains of ``patch`` (rows, columns) pixels."""
    small = rng.standard_normal(
        (max(2, round(height / patch[0]) + 1), max(2, round(width / patch[1]) + 1)), np.float32
    )
    if small.shape == (height, width):
        return small
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32)


def _mix(low: tuple[float, ...], high: tuple[float, ...], amount: Floats) -> Array:
    """Colours between two, by an amount per pixel."""
    share = np.clip(amount, 0, 1)[..., None]
    ends = np.asarray([low, high], np.float32)
    mixed: Array = (ends[0] * (1 - share) + ends[1] * share).astype(np.float32)
    return mixed


def _grass(side: int, rng: np.random.Generator) -> Array:
    blades = noise(side, side, (4, 1), rng) * 0.25 + noise(side, side, (12, 12), rng) * 0.1
    return _mix((0.12, 0.38, 0.08), (0.45, 0.75, 0.22), 0.5 + blades)


def _water(side: int, rng: np.random.Generator) -> Array:
    rows = np.arange(side, dtype=np.float32)[:, None]
    shift = noise(side, side, (16, 8), rng)
    waves = 0.35 * np.sin(rows / rng.uniform(1.0, 1.4) + 1.6 * shift)
    return _mix((0.05, 0.22, 0.55), (0.3, 0.62, 0.85), 0.45 + waves)


def _sand(side: int, rng: np.random.Generator) -> Array:
    grain = noise(side, side, (1, 1), rng) * 0.16 + noise(side, side, (6, 24), rng) * 0.18
    return _mix((0.72, 0.58, 0.32), (0.95, 0.85, 0.6), 0.5 + grain)


def _brick(side: int, rng: np.random.Generator) -> Array:
    high, wide = int(rng.integers(7, 10)), int(rng.integers(14, 19))
    y, x = np.mgrid[:side, :side] + rng.integers(0, 40, 2)[:, None, None]
    row = y // high
    x = x + (row % 2) * (wide // 2)
    column = x // wide
    tone = rng.uniform(0, 1, (97,)).astype(np.float32)[(row * 31 + column * 17) % 97]
    wall = _mix((0.5, 0.17, 0.12), (0.75, 0.33, 0.22), tone + noise(side, side, (1, 1), rng) * 0.08)
    mortar = (y % high < 2) | (x % wide < 2)
    wall[mortar] = rng.uniform(0.68, 0.82)
    return wall


def _sky(side: int, rng: np.random.Generator) -> Array:
    rows = np.linspace(0, 1, side, dtype=np.float32)[:, None]
    clouds = noise(side, side, (14, 26), rng) + noise(side, side, (7, 12), rng) * 0.4
    blue = _mix((0.36, 0.62, 0.95), (0.68, 0.86, 1.0), np.broadcast_to(rows, (side, side)))
    share = np.clip((clouds - 0.9) * 0.8, 0, 1)[..., None]
    sky: Array = (blue * (1 - share) + share).astype(np.float32)
    return sky


def _snow(side: int, rng: np.random.Generator) -> Array:
    drift = noise(side, side, (10, 30), rng) * 0.35
    snow = _mix((0.78, 0.83, 0.93), (1.0, 1.0, 1.0), 0.6 + drift)
    glitter = rng.random((side, side)) < 0.02
    snow[glitter] = (0.66, 0.75, 0.92)
    return snow


def _stone(side: int, rng: np.random.Generator) -> Array:
    step = int(rng.integers(10, 14))
    patches = side // step + 3
    jitter = rng.uniform(0.15, 0.85, (patches, patches, 2)).astype(np.float32)
    centres = (np.moveaxis(np.mgrid[:patches, :patches], 0, -1) - 1 + jitter).reshape(-1, 2) * step
    y, x = np.mgrid[:side, :side].astype(np.float32)
    base = (y // step * patches + x // step).astype(int)
    near = np.stack([base + i * patches + j for i in range(3) for j in range(3)])
    gaps = np.hypot(centres[near, 0] - y, centres[near, 1] - x)
    order = np.sort(gaps, 0)
    tone = rng.uniform(0.1, 1, len(centres)).astype(np.float32)
    owner = np.take_along_axis(near, gaps.argmin(0)[None], 0)[0]
    stone = _mix((0.36, 0.36, 0.38), (0.66, 0.65, 0.63), tone[owner] + noise(side, side, (2, 2), rng) * 0.1)
    stone[order[1] - order[0] < 1.3] = 0.2
    return stone


def _wood(side: int, rng: np.random.Generator) -> Array:
    plank = int(rng.integers(14, 22))
    y = np.mgrid[:side, :side][0] + rng.integers(0, plank)
    row = y // plank
    tone = rng.uniform(0, 0.5, (side // plank + 3,)).astype(np.float32)[row]
    grain = noise(side, side, (1.5, 20), rng) * 0.22
    wood = _mix((0.38, 0.22, 0.1), (0.74, 0.52, 0.3), 0.3 + tone + grain)
    wood[y % plank == 0] = (0.22, 0.12, 0.05)
    return wood


_DRAW: dict[str, Callable[[int, np.random.Generator], Array]] = {
    "brick": _brick,
    "grass": _grass,
    "sand": _sand,
    "sky": _sky,
    "snow": _snow,
    "stone": _stone,
    "water": _water,
    "wood": _wood,
}
