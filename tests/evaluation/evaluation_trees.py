"""Small data sets in every layout, with truths known to the tests."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]


def write_image(path: Path, size: tuple[int, int], seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_mask(path: Path, values: Array, *, palette: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values.astype(np.uint8))
    if palette:
        # Luminance of these colours is nothing like the index, so reading through it cannot pass.
        image.putpalette([(37 * i + 11 * c) % 256 for i in range(256) for c in range(3)])
    image.save(path)


def random_values(classes: int, size: tuple[int, int], seed: int) -> Array:
    """Indices below ``classes`` in 4 x 4 blocks, some void."""
    generator = np.random.default_rng(seed)
    blocks = generator.choice([*range(classes), 255], (-(-size[0] // 4), -(-size[1] // 4)))
    return np.kron(blocks, np.ones((4, 4), int))[: size[0], : size[1]].astype(np.uint8)


def voc(
    root: Path, names: tuple[str, ...] = ("2007_000033", "2007_000042", "2008_000001")
) -> dict[str, Array]:
    truths = {}
    for seed, name in enumerate(names):
        truths[name] = random_values(21, (24 + seed, 32), seed)
        write_image(root / "JPEGImages" / f"{name}.jpg", truths[name].shape, seed)
        write_mask(root / "SegmentationClass" / f"{name}.png", truths[name])
    split = root / "ImageSets/Segmentation/val.txt"
    split.parent.mkdir(parents=True)
    split.write_text("\n".join(names) + "\n")
    return truths


def folder(
    root: Path, classes: tuple[str, ...], truths: dict[str, Array], pixels: dict[str, Array] | None = None
) -> None:
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "classes.txt").write_text("\n".join(classes) + "\n")
    for seed, (name, truth) in enumerate(truths.items()):
        path = root / "images" / f"{name}.png"
        if pixels is None:
            write_image(path, truth.shape, seed)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[name]).save(path)
        write_mask(root / "masks" / f"{name}.png", truth)


def runs(mask: Array) -> dict[str, Any]:
    """COCO run lengths of a mask: columns first, beginning with zeros."""
    flat = mask.T.ravel().astype(int)
    ends = np.flatnonzero(np.diff(flat)) + 1
    bounds = [0, *ends.tolist(), flat.size]
    counts = [b - a for a, b in pairwise(bounds)]
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
