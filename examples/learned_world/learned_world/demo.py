"""What ``ovseg demo --world`` shows: scenes, a bank of generated pictures, and a page that leads through.

The models come with this package and know nothing but names; support pictures are sampled, their objects
found, and prototypes made of them (OVDiff, Karazija et al., ECCV 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from learned_world.names import FEW
from learned_world.scenes import SceneConfig, draw_scene
from learned_world.vocabulary import FILE, SEGMENT
from ovseg.cli.demonstrations import Prepared
from ovseg.files import atomic_path

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
    from learned_world.route import Banks
    from learned_world.vocabulary import SEGMENT
    from ovseg.encoders.presets import open_preset
    from ovseg.support.config import BankConfig

    banks = Banks(open_preset("world"), tuple(classes), out.with_name(f"{out.name}-bank"))
    banks.out.mkdir(parents=True, exist_ok=True)
    bank = banks.generated(BankConfig(SHOTS, SEGMENT.encoding), on_message)
    return banks.out / "generated.bank", bank


def prepare(out: Path, on_message: Callable[[str], None]) -> Prepared:
    """Draw the scenes beside the output folder and build the bank; see ``Demonstration`` of ovseg.

    Raises:
        DependencyMissing: diffusers is not installed.
        OvsegError: See ``build_bank``.
    """
    from learned_world.tour import write_tour

    scenes = draw_scenes(out.with_name(f"{out.name}-scenes"))
    path, bank = demo_bank(out, on_message)
    return Prepared(scenes, "world", str(FILE), SEGMENT, path, lambda folder: write_tour(folder, path, bank))
