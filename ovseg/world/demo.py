"""What ``ovseg demo --world`` shows: scenes, a bank of generated pictures, and a page that leads through.

The models come with ovseg and know nothing but names; support pictures are sampled, their objects found, and
prototypes made of them (OVDiff, Karazija et al., ECCV 2024). diffusers must be installed for the sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ovseg.files import atomic_path
from ovseg.world.names import FEW
from ovseg.world.scenes import SceneConfig, draw_scene

if TYPE_CHECKING:
    from ovseg.prototypes import PrototypeBank

SCENES = SceneConfig(side=128, objects=(2, 4), scale=(0.3, 0.5), two_stuffs=0.5, pairs="all")
COUNT, SEED = 12, 2026

SHOTS = 8
"""Support pictures a name."""


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


def demo_bank(
    out: Path, on_message: Callable[[str], None], classes: Sequence[str] = FEW
) -> tuple[Path, PrototypeBank]:
    """Build the bank of the demonstration in the folder ``OUT-bank``; returns its file, and it.

    Raises:
        DependencyMissing: diffusers is not installed.
        OvsegError: See ``build_bank``.
    """
    from ovseg.encoders.presets import open_preset
    from ovseg.encoders.world import SIDE
    from ovseg.support.config import BankConfig
    from ovseg.world.route import Banks

    banks = Banks(open_preset("world"), tuple(classes), out.with_name(f"{out.name}-bank"))
    banks.out.mkdir(parents=True, exist_ok=True)
    bank = banks.generated(BankConfig(shots=SHOTS, image_size=SIDE), on_message)
    return banks.out / "generated.bank", bank
