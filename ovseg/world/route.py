"""The whole route on scenes of the world: support images, regions, a bank, segmentation, figures.

``python -m ovseg.world.route --out FOLDER`` compares, on scenes that no model has seen and with nothing
but names: text alone; banks of pictures that the diffusion pipeline generates; and, as the ceiling, banks
of drawn pictures with their true masks. Ablations change one setting of the bank at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ovseg.encoders.presets import Encoders, load_preset
from ovseg.encoders.world import SIDE
from ovseg.pipeline.banks import build_bank
from ovseg.pipeline.segmenter import Segmenter
from ovseg.pipeline.sources import open_source
from ovseg.prototypes import PrototypeBank
from ovseg.support.config import BankConfig
from ovseg.world.check import held_out_scenes, mean_iou
from ovseg.world.names import FEW
from ovseg.world.scenes import SceneConfig, draw_scene
from ovseg.world.train.common import WEIGHTS
from ovseg.world.vocabulary import SEGMENT, world_vocabulary

SUPPORT = SceneConfig(side=SIDE, scale=(0.3, 0.5), reach=0.0, pairs="all")
"""Pictures of the ceiling's support: one object each, as large as in the scenes."""

SUPPORT_SEED = 500_009


def write_support(folder: Path, classes: Sequence[str], shots: int) -> None:
    """Draw ``shots`` pictures of each class with their masks, in the layout of the source ``folder``."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        config, index = replace(SUPPORT, things=(name,)), 0
        for shot in range(shots):
            scene = None
            while scene is None or not scene.things:
                scene = draw_scene(config, np.random.default_rng([SUPPORT_SEED, number, index]))
                index += 1
            Image.fromarray(scene.pixels).save(folder / name / f"{shot:03}.png")
            mask = (scene.instances == 1).astype(np.uint8) * 255
            Image.fromarray(mask).save(folder / name / f"{shot:03}.mask.png")


def ceiling_bank(encoders: Encoders, classes: Sequence[str], out: Path, config: BankConfig) -> PrototypeBank:
    """A bank of drawn pictures with their true masks."""
    folder = out / "support"
    write_support(folder, classes, config.shots)
    vocabulary = world_vocabulary(classes)
    return build_bank(
        vocabulary, folder, out / "ceiling.bank", encoders=encoders, config=config, overwrite=True
    )


def generated_bank(
    encoders: Encoders, classes: Sequence[str], out: Path, config: BankConfig
) -> PrototypeBank:
    """A bank of pictures that the world's diffusion pipeline makes of the names."""
    from ovseg.support.diffusion.config import DiffusionConfig

    vocabulary = world_vocabulary(classes)
    asked = DiffusionConfig(model=str(WEIGHTS / "diffusion"), shots=config.shots, steps=20, guidance=4.0)
    source = open_source(
        "diffusion", encoders, vocabulary.classes, diffusion=asked, generated=out / "generated"
    )
    return build_bank(
        classes, source, out / "generated.bank", encoders=encoders, config=config, overwrite=True
    )


def without_background(config: BankConfig) -> BankConfig:
    """The same without prototypes of what is around the objects."""
    return replace(config, prototypes=replace(config.prototypes, background=False))


ABLATIONS: dict[str, Any] = {
    "no background prototypes": without_background,
    "class mean only": lambda c: replace(c, prototypes=replace(c.prototypes, kinds=("class",))),
    "1 support image": lambda c: replace(c, shots=1),
    "4 support images": lambda c: replace(c, shots=4),
}
"""Changes of the bank's settings, one at a time."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of banks and pictures")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--classes", default=",".join(FEW))
    parser.add_argument("--generated", action="store_true", help="the diffusion pipeline's bank, too")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    classes = tuple(asked.classes.split(","))
    encoders = load_preset("world")
    scenes = held_out_scenes(asked.scenes)
    config = BankConfig(shots=asked.shots, image_size=SIDE)

    def tell(name: str, bank: PrototypeBank | None) -> None:
        mean, each = mean_iou(Segmenter(encoders, SEGMENT, bank=bank), scenes, classes)
        shown = " ".join(f"{key} {value:.2f}" for key, value in each.items())
        print(f"{name}: mIoU {mean:.3f}; {shown}", flush=True)

    tell("text only", None)
    tell("true masks", ceiling_bank(encoders, classes, asked.out, config))
    for name, change in ABLATIONS.items():
        tell(f"true masks, {name}", ceiling_bank(encoders, classes, asked.out, change(config)))
    if asked.generated:
        tell("generated", generated_bank(encoders, classes, asked.out, config))


if __name__ == "__main__":
    main()
