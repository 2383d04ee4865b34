"""The whole route on scenes of the world: support images, regions, a bank, segmentation, figures.

``python -m learned_world.route --out FOLDER`` compares, on scenes that no model has seen and with nothing but
names: text alone; banks of scenes that retrieval finds in an unlabelled pool (ReCo); banks of pictures that
the diffusion pipeline generates (OVDiff); both; and, as the ceiling, banks of drawn pictures with true masks.
Ablations change one setting at a time. Scenes are encoded once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from learned_world.check import SCENES, held_out_scenes, scene_figures
from learned_world.encoders import SIDE
from learned_world.names import THINGS
from learned_world.scenes import Scene, SceneConfig, draw_scene
from learned_world.train.common import WEIGHTS
from learned_world.vocabulary import SEGMENT, world_vocabulary
from ovseg.config import SegmentConfig
from ovseg.encoders.presets import Preset, open_preset
from ovseg.evaluation.metrics import Figures
from ovseg.files import write_json
from ovseg.matching.encoded_image import EncodedImage
from ovseg.pipeline.banks import build_bank
from ovseg.pipeline.benchmarks.banks import FILTER_TOP_P
from ovseg.pipeline.encode import encode_images
from ovseg.pipeline.segmenter import Segmenter
from ovseg.pipeline.sources import open_source
from ovseg.pipeline.timer import Timer
from ovseg.prototypes import PrototypeBank, merge_banks
from ovseg.runs.pool import build_pool
from ovseg.support.config import BankConfig
from ovseg.support.pool.config import PoolConfig

SUPPORT = SceneConfig(side=SIDE, scale=(0.3, 0.5), reach=0.0, pairs="all")
"""Pictures of the ceiling's support: one object each, as large as in the scenes."""

SUPPORT_SEED, POOL_SEED = 500_009, 700_001

POOL_SIZE = 2000

ALONE = SEGMENT.with_settings(text_with_bank=False, background_score="prototypes")
"""The bank decides alone, its background prototypes among it, as in OVDiff."""

READINGS: dict[str, SegmentConfig] = {"bank alone": ALONE, "bank and names": SEGMENT}


class EncodedScenes:
    """Held-out scenes with all that the encoders say of them, so that many banks can be asked.

    Args:
        encoders: The preset ``world``.
        scenes: What to segment.
    """

    def __init__(self, encoders: Preset, scenes: Sequence[Scene]) -> None:
        self.encoders, self.scenes = encoders, scenes
        timer = Timer(encoders.device)
        with torch.inference_mode():
            self.encoded: list[EncodedImage] = [
                found
                for scene in scenes
                for found in encode_images([scene.pixels], encoders, SEGMENT.encoding, timer, encoders.spaces)
            ]

    def measure(
        self, classes: Sequence[str], config: SegmentConfig, bank: PrototypeBank | None = None
    ) -> Figures:
        """Figures with background, everything but ``classes`` being background."""
        segmenter = Segmenter(self.encoders, config, bank=bank)
        vocabulary = world_vocabulary(classes)
        labels = (
            segmenter.decide(encoded, scene.pixels, vocabulary).labels
            for scene, encoded in zip(self.scenes, self.encoded, strict=True)
        )
        return scene_figures(self.scenes, labels, classes)


def save_pool(folder: Path, count: int = POOL_SIZE) -> None:
    """Draw the unlabelled pool's scenes, as PNG; nothing is written of what they show."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:05}.png"
        if not path.is_file():
            scene = draw_scene(SCENES, np.random.default_rng([POOL_SEED, number]))
            Image.fromarray(scene.pixels).save(path)


def write_support(folder: Path, classes: Sequence[str], shots: int) -> None:
    """Draw ``shots`` pictures of each class with their masks, in the layout of the source ``folder``."""
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        config, index = replace(SUPPORT, things=(name,)), 0
        for shot in range(shots):
            scene = None
            while scene is None or not scene.things:
                scene = draw_scene(config, np.random.default_rng([SUPPORT_SEED, THINGS.index(name), index]))
                index += 1
            Image.fromarray(scene.pixels).save(folder / name / f"{shot:03}.png")
            mask = (scene.instances == 1).astype(np.uint8) * 255
            Image.fromarray(mask).save(folder / name / f"{shot:03}.mask.png")


@dataclass(frozen=True)
class Banks:
    """Builds the banks of a comparison, each in its own file below a folder.

    Attributes:
        encoders: The preset ``world``.
        classes: Names of things.
        out: The folder.
        pipeline: Folder of the diffusion pipeline.
    """

    encoders: Preset
    classes: tuple[str, ...]
    out: Path
    pipeline: Path = WEIGHTS / "diffusion"

    def ceiling(self, config: BankConfig) -> PrototypeBank:
        """Drawn pictures with their true masks."""
        folder = self.out / f"support-{config.shots}"
        write_support(folder, self.classes, config.shots)
        return build_bank(
            world_vocabulary(self.classes),
            folder,
            self.out / "ceiling.bank",
            encoders=self.encoders,
            config=config,
            overwrite=True,
        )

    def retrieved(self, config: BankConfig, count: int = POOL_SIZE) -> PrototypeBank:
        """Scenes of the unlabelled pool that the names find."""
        vocabulary = world_vocabulary(self.classes)
        save_pool(self.out / "pool", count)
        pool = build_pool(
            [self.out / "pool"], self.out / "scenes.pool", self.encoders, PoolConfig(crops=4)
        ).pool
        source = open_source("retrieval", self.encoders, vocabulary.classes, pool=pool)
        return build_bank(
            vocabulary,
            source,
            self.out / "retrieved.bank",
            encoders=self.encoders,
            config=config,
            overwrite=True,
        )

    def generated(
        self, config: BankConfig, on_message: Callable[[str], None] = lambda line: None
    ) -> PrototypeBank:
        """Pictures that the world's diffusion pipeline makes of the names."""
        from learned_world.generate import generation

        vocabulary = world_vocabulary(self.classes)
        source = open_source(
            "diffusion",
            self.encoders,
            vocabulary.classes,
            diffusion=generation(self.pipeline, config.shots),
            generated=self.out / "generated",
            on_message=on_message,
        )
        return build_bank(
            vocabulary,
            source,
            self.out / "generated.bank",
            encoders=self.encoders,
            config=config,
            overwrite=True,
            on_message=on_message,
        )


def both(one: PrototypeBank, other: PrototypeBank, config: BankConfig) -> PrototypeBank:
    """Two banks of the same classes as one."""
    return merge_banks([one, other], clean=config.prototypes.clean)


def without_background(config: BankConfig) -> BankConfig:
    """The same without prototypes of what is around the objects."""
    return replace(config, prototypes=replace(config.prototypes, background=False))


def class_means(config: BankConfig) -> BankConfig:
    """The same with one prototype a class, and one of what is around it."""
    return replace(config, prototypes=replace(config.prototypes, kinds=("class",)))


def parts(config: BankConfig, count: int) -> BankConfig:
    """The same with another number of parts at most (OVDiff's K)."""
    return replace(config, prototypes=replace(config.prototypes, parts=count))


Change = Callable[[BankConfig], BankConfig]

ABLATIONS: dict[str, Change] = {
    "no background prototypes": without_background,
    "class mean only": class_means,
    "K = 1": lambda c: parts(c, 1),
    "K = 8": lambda c: parts(c, 8),
    "1 support image": lambda c: replace(c, shots=1),
    "2 support images": lambda c: replace(c, shots=2),
    "4 support images": lambda c: replace(c, shots=4),
    "8 support images": lambda c: replace(c, shots=8),
    "32 support images": lambda c: replace(c, shots=32),
}
"""Changes of the bank's settings, one at a time."""


def main() -> None:
    """Print the table, and write it as ``route.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of banks and pictures")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument(
        "--preset",
        default="world",
        help='encoders; "world --prototype-backbone local-dir:FOLDER" adds features of a diffusion model',
    )
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--classes", default=",".join(THINGS))
    parser.add_argument("--pool", type=int, default=POOL_SIZE, help="scenes of the unlabelled pool")
    parser.add_argument("--sources", default="ceiling,retrieved,generated")
    parser.add_argument("--ablate", default="", help="source whose bank is changed, one setting at a time")
    targets = parser.parse_args()
    torch.set_num_threads(1)
    targets.out.mkdir(parents=True, exist_ok=True)
    classes = tuple(targets.classes.split(","))
    encoders = open_preset(targets.preset)
    scenes = EncodedScenes(encoders, held_out_scenes(targets.scenes))
    config = BankConfig(targets.shots, SEGMENT.encoding)
    banks = Banks(encoders, classes, targets.out)
    build: dict[str, Callable[[BankConfig], PrototypeBank]] = {
        "ceiling": banks.ceiling,
        "retrieved": lambda c: banks.retrieved(c, targets.pool),
        "generated": banks.generated,
    }
    rows: list[dict[str, object]] = []

    def on_message(name: str, reading: str, settings: SegmentConfig, bank: PrototypeBank | None) -> None:
        result = scenes.measure(classes, settings, bank)
        iou = [round(float(v), 4) if np.isfinite(v) else None for v in result.iou]
        rows.append({"support": name, "reading": reading, "miou": round(float(result.miou), 4), "iou": iou})
        print(f"| {name} | {reading} | {100 * result.miou:.1f} | {100 * result.iou[0]:.1f} |", flush=True)
        write_json(targets.out / "route.json", {"classes": classes, "scenes": targets.scenes, "rows": rows})

    print("| support | reading | mIoU | background |\n| --- | --- | ---: | ---: |", flush=True)
    on_message("none", "names", SEGMENT, None)
    on_message("none", "names, category filter", SEGMENT.with_settings(category_top_p=FILTER_TOP_P), None)
    made: dict[str, PrototypeBank] = {}
    for source in filter(None, targets.sources.split(",")):
        made[source] = build[source](config)
        for reading, settings in READINGS.items():
            on_message(source, reading, settings, made[source])
        filtered = SEGMENT.with_settings(category_top_p=FILTER_TOP_P)
        on_message(source, "bank and names, category filter", filtered, made[source])
    if "retrieved" in made and "generated" in made:
        joined = both(made["generated"], made["retrieved"], config)
        for reading, settings in READINGS.items():
            on_message("generated and retrieved", reading, settings, joined)
    for name, change in ABLATIONS.items() if targets.ablate else ():
        bank = build[targets.ablate](change(config))
        for reading, settings in READINGS.items():
            on_message(f"{targets.ablate}, {name}", reading, settings, bank)


if __name__ == "__main__":
    main()
