"""Training pictures: drawn once into memory from a seed, and kept in the work folder for the next script."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ovseg.files import atomic_path
from ovseg.world.captions import all_facts, caption
from ovseg.world.names import PLAIN
from ovseg.world.scenes import SceneConfig, draw_scene

MIXES: dict[str, tuple[tuple[float, SceneConfig], ...]] = {
    # What a prompt for one name should give, and a few scenes.
    "samples": (
        (0.9, SceneConfig(scale=(0.68, 0.88), reach=-0.1, turn=8)),
        (0.1, SceneConfig(objects=(2, 2), scale=(0.42, 0.55), reach=0.0, turn=8, overlap=0.02)),
    ),
    # The same, each large, upright and in the middle of a plain background: learned sooner.
    "plain-samples": ((1.0, SceneConfig(stuff=PLAIN, scale=(0.74, 0.86), reach=-0.12, turn=5)),),
    # Filled, in two styles, always at about the same place: sooner still.
    "plainest-samples": (
        (
            1.0,
            SceneConfig(stuff=PLAIN, scale=(0.78, 0.84), reach=-0.2, turn=3, styles=("phosphor-fill", "mdi")),
        ),
    ),
}
"""Named mixtures: shares and what is drawn."""

CAPTIONS = 3
"""Captions a picture."""


@dataclass(frozen=True)
class Pool:
    """Pictures with captions.

    Attributes:
        pixels: (N, S, S, 3) uint8.
        captions: N lists of captions.
        facts: N sets of what may be said of a picture.
    """

    pixels: npt.NDArray[np.uint8]
    captions: list[list[str]]
    facts: list[frozenset[str]]

    def __len__(self) -> int:
        return len(self.pixels)


def make_pool(mix: str, count: int, seed: int, work: Path | None = None) -> Pool:
    """Draw ``count`` pictures of a mixture; picture i depends on the seed and i alone.

    Args:
        mix: A name of :data:`MIXES`.
        count: How many.
        seed: Of everything.
        work: A folder that keeps the pool between scripts, or None.
    """
    stem = f"pool-{mix}-{count}-{seed}"
    if work is not None and (work / f"{stem}.json").is_file():
        stored = json.loads((work / f"{stem}.json").read_text())
        facts = [frozenset(f) for f in stored["facts"]]
        return Pool(np.load(work / f"{stem}.npy", mmap_mode="r"), stored["captions"], facts)
    shares = np.cumsum([share for share, _ in MIXES[mix]])
    pixels, captions, facts = [], [], []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        config = MIXES[mix][int(np.searchsorted(shares, rng.random() * shares[-1]))][1]
        scene = draw_scene(config, rng)
        pixels.append(scene.pixels)
        captions.append([caption(scene, rng) for _ in range(CAPTIONS)])
        facts.append(all_facts(scene))
    pool = Pool(np.stack(pixels), captions, facts)
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        with atomic_path(work / f"{stem}.npy") as path, path.open("wb") as file:
            np.save(file, pool.pixels)
        with atomic_path(work / f"{stem}.json") as path:
            path.write_text(json.dumps({"captions": captions, "facts": [sorted(f) for f in facts]}))
    return pool
