"""The scenes that ``ovseg demo --world`` shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ovseg.files import atomic_path
from ovseg.world.scenes import SceneConfig, draw_scene

SCENES = SceneConfig(side=128, objects=(2, 4), scale=(0.3, 0.5), two_stuffs=0.5, pairs="all")
COUNT, SEED = 12, 2026


def draw_scenes(folder: Path) -> list[str]:
    """Draw the demonstration's scenes into a folder, as PNG; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(COUNT):
        scene = draw_scene(SCENES, np.random.default_rng([SEED, number]))
        path = folder / f"scene-{number + 1:02}.png"
        with atomic_path(path) as part:
            Image.fromarray(scene.pixels).save(part, format="PNG")
        paths.append(str(path))
    return paths
