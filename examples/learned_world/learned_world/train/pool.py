"""Training pictures: drawn once into memory from a seed, and kept in the work folder for the next script."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from learned_world.captions import caption, names_of
from learned_world.generate import SIDE
from learned_world.names import PLAIN
from learned_world.scenes import SceneConfig, draw_scene
from ovseg.files import atomic_path, digest

SAMPLES = SceneConfig(side=SIDE, stuff=PLAIN, scale=(0.3, 0.5), reach=-0.1, turn=15)
"""What a prompt for one name should give: one thing, as large as in the scenes, wholly in view."""

CAPTIONS = 3
"""Captions a picture."""

_AT_ONCE = 250
"""Pictures that a process draws before it hands them over."""


@dataclass(frozen=True)
class Pool:
    """Pictures with captions.

    Attributes:
        pixels: (N, S, S, 3) uint8.
        captions: N lists of captions.
        metadata: N sets of what may be said of a picture.
    """

    pixels: npt.NDArray[np.uint8]
    captions: list[list[str]]
    metadata: list[frozenset[str]]

    def __len__(self) -> int:
        return len(self.pixels)


def make_pool(
    count: int, seed: int, work: Path | None = None, config: SceneConfig = SAMPLES, workers: int = 1
) -> Pool:
    """Draw ``count`` pictures; picture i depends on the configuration, the seed and i alone.

    Args:
        count: How many.
        seed: Of everything.
        work: A folder that keeps the pool between scripts, or None.
        config: What is drawn.
        workers: Processes that draw.
    """
    stem = f"pool-{digest(asdict(config))[:8]}-{count}-{seed}"
    if work is not None and (work / f"{stem}.json").is_file():
        stored = json.loads((work / f"{stem}.json").read_text())
        metadata = [frozenset(f) for f in stored["names_in"]]
        return Pool(np.load(work / f"{stem}.npy", mmap_mode="r"), stored["captions"], metadata)
    parts = [range(start, min(start + _AT_ONCE, count)) for start in range(0, count, _AT_ONCE)]
    draw = partial(_draw, config, seed)
    if workers > 1:
        with ProcessPoolExecutor(workers) as executor:
            drawn = list(executor.map(draw, parts))
    else:
        drawn = [draw(part) for part in parts]
    pool = Pool(
        np.concatenate([part.pixels for part in drawn]),
        [texts for part in drawn for texts in part.captions],
        [metadata for part in drawn for metadata in part.metadata],
    )
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        with atomic_path(work / f"{stem}.npy") as path, path.open("wb") as file:
            np.save(file, pool.pixels)
        with atomic_path(work / f"{stem}.json") as path:
            path.write_text(
                json.dumps({"captions": pool.captions, "names_in": [sorted(f) for f in pool.metadata]})
            )
    return pool


def _draw(config: SceneConfig, seed: int, numbers: range) -> Pool:
    pixels, captions, metadata = [], [], []
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        scene = draw_scene(config, rng)
        pixels.append(scene.pixels)
        captions.append([caption(scene, rng) for _ in range(CAPTIONS)])
        metadata.append(names_of(scene))
    return Pool(np.stack(pixels), captions, metadata)
