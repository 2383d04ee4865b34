"""Support folders of coloured squares on grey, as the fake encoders see them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {"tomato": (230, 20, 20), "frog": (20, 230, 20), "whale": (20, 20, 230)}
SIZE = (64, 96)
"""(H, W) of every photo."""


def photo(path: Path, name: str, box: tuple[int, int, int, int], *, seed: int = 0) -> Path:
    """A square of a class's colour, a little uneven, on grey; ``box`` is XYXY."""
    generator = np.random.default_rng(seed)
    image = Image.new("RGB", (SIZE[1], SIZE[0]), (128, 128, 128))
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=COLOURS[name])
    noisy = np.array(image).astype(np.int16) + generator.integers(-12, 13, (*SIZE, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)
    return path


def mask(photo_path: Path, box: tuple[int, int, int, int], *, value: int = 255) -> None:
    """Its mask beside it."""
    canvas = Image.new("L", (SIZE[1], SIZE[0]), 0)
    ImageDraw.Draw(canvas).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=value)
    canvas.save(photo_path.with_name(photo_path.stem + ".mask.png"))


def marks(photo_path: Path, **table: object) -> None:
    """Marks beside it."""
    photo_path.with_name(photo_path.stem + ".marks.json").write_text(json.dumps(table))


def support_folder(root: Path) -> Path:
    """Two tomatoes (one with a mask, one with a box), two frogs (a point; nothing)."""
    first = photo(root / "tomato" / "a.png", "tomato", (16, 16, 48, 48), seed=1)
    mask(first, (16, 16, 48, 48))
    second = photo(root / "tomato" / "b.png", "tomato", (40, 8, 80, 40), seed=2)
    marks(second, boxes=[[40, 8, 80, 40]])
    third = photo(root / "Green_Frog" / "a.png", "frog", (32, 24, 64, 56), seed=3)
    marks(third, points=[[48, 40]])
    photo(root / "Green_Frog" / "b.png", "frog", (8, 8, 48, 48), seed=4)
    (root / "licence.txt").write_text("CC0\n")
    return root
