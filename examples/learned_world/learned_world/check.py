"""Measure the models on pictures that they have not seen: ``python -m learned_world.check``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from learned_world.encoders import SIDE
from learned_world.generate import generation
from learned_world.judge import judged, load_judge, singles
from learned_world.names import FEW, STUFF, THINGS
from learned_world.scenes import LABELS, Scene, SceneConfig, draw_scene
from learned_world.train.common import WEIGHTS
from learned_world.train.pool import SAMPLES
from learned_world.vocabulary import SEGMENT, world_vocabulary
from ovseg.discovery import DiscoveryConfig
from ovseg.encoders.presets import Preset, PresetCard
from ovseg.encoders.roles import ModelChoice
from ovseg.evaluation.metrics import Figures, area_counts, confusion_matrix, figures
from ovseg.pipeline.discoverer import Discoverer
from ovseg.pipeline.segmenter import Segmenter
from ovseg.support.diffusion.source import open_diffusion


@dataclass(frozen=True)
class Samples:
    """Pictures that the diffusion pipeline has made.

    Attributes:
        pixels: (names, pictures, S, S, 3) uint8.
        right: (names, pictures) bool, what the independent judge takes for what was asked.
        used: (names, pictures) bool, what would become support.
    """

    pixels: npt.NDArray[np.uint8]
    right: npt.NDArray[np.bool_]
    used: npt.NDArray[np.bool_]


SEED = 1_000_003
"""Of the pictures for measuring; training scripts draw from others."""

SCENES = SceneConfig(side=SIDE, objects=(1, 4), scale=(0.28, 0.5), two_stuffs=0.3, pairs="all")
"""Scenes in which names are looked for; those of the unlabelled pool are drawn alike."""

PICTURES: dict[str, SceneConfig] = {
    "styles and pairs of training": SceneConfig(),
    "held-out pairs": SceneConfig(pairs="held-out"),
    "held-out styles": SceneConfig(held_out_styles=True),
}
"""Pictures of one thing by which naming is judged."""


def held_out_scenes(count: int, seed: int = SEED, config: SceneConfig = SCENES) -> list[Scene]:
    """Scenes that no model has been trained on."""
    return [draw_scene(config, np.random.default_rng([seed, number])) for number in range(count)]


def naming(encoders: Preset, count: int, seed: int = SEED) -> dict[str, float]:
    """Share of pictures of one thing that the image-text encoder calls by its name, among all things."""
    words = encoders.image_text.prompt_head(THINGS)
    found = {}
    for name, config in PICTURES.items():
        pixels, labels = singles(config, count, seed)
        features = encoders.image_text.encode_image(
            torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        )
        found[name] = float((words(features).argmax(1).cpu().numpy() == labels).mean())
    return found


def mean_iou(
    segmenter: Segmenter, scenes: list[Scene], classes: tuple[str, ...]
) -> tuple[float, dict[str, float]]:
    """Mean IoU of :func:`scene_figures`, and the IoU of the background and of each class by its name."""
    vocabulary = world_vocabulary(classes)
    labels = (segmenter.segment(scene.pixels, vocabulary).labels for scene in scenes)
    result = scene_figures(scenes, labels, classes)
    return float(result.miou), dict(zip(("background", *classes), map(float, result.iou), strict=True))


def scene_figures(
    scenes: Sequence[Scene], labels: Iterable[npt.NDArray[np.uint8]], classes: Sequence[str]
) -> Figures:
    """Figures over all scenes; whatever is none of ``classes`` is background, which counts as a class.

    Args:
        scenes: The truth.
        labels: What was found in each scene, (side, side): 0 for background, then the classes in their order.
        classes: Names out of :data:`LABELS`.
    """
    names = ("background", *classes)
    lookup = np.array([names.index(label) if label in classes else 0 for label in LABELS], np.uint8)
    total = np.zeros((len(names), len(names) + 1), np.int64)
    for scene, found in zip(scenes, labels, strict=True):
        total += confusion_matrix(lookup[scene.labels], found, len(names))
    return figures(area_counts(total))


def discovery(
    encoders: Preset, count: int, config: DiscoveryConfig | None = None, seed: int = SEED
) -> npt.NDArray[np.float64]:
    """IoU of the best region by normalized cut with the only object, in each of ``count`` scenes.

    Args:
        encoders: Of the patch-feature backbone.
        count: Scenes.
        config: How objects are found; None: as suits the encoder. Scenes are seen at their own size.
        seed: Of the scenes.
    """
    scene = SceneConfig(side=SIDE, scale=(0.35, 0.6), reach=0.0)
    config = config or DiscoveryConfig.for_encoder(encoders.backbone.family)
    discoverer = Discoverer(encoders, replace(config, image_size=SIDE))
    found = np.zeros(count)
    for number, one in enumerate(held_out_scenes(count, seed, scene)):
        regions = discoverer.discover(one.pixels).regions
        truth = one.instances == 1
        if regions:
            mask: npt.NDArray[np.bool_] = regions[0].mask
            found[number] = (mask & truth).sum() / (mask | truth).sum()
    return found


def sampled(pipeline: Path, count: int, kept: Path, encoders: Preset | None = None) -> Samples:
    """Pictures that the pipeline makes of each thing, asked for its name alone, and what the judge says.

    Args:
        pipeline: Its folder.
        count: Pictures of each name.
        kept: Folder that keeps them.
        encoders: A preset that decides which of them become support; None: all do.
    """
    config = replace(generation(pipeline, count), draws=1.0, duplicate=1.0, prompts=None)
    specs = world_vocabulary(THINGS).classes
    source = open_diffusion(config, encoders, specs, kept, device=torch.device("cpu"))
    drawn = [source.draw(spec, count) for spec in specs]
    pixels = np.stack([[one.entry.sample.pixels for one in each] for each in drawn])
    used = np.array([[one.rejected is None for one in each] for each in drawn])
    judge = load_judge()
    right = np.stack([judged(judge, each) == number for number, each in enumerate(pixels)])
    return Samples(pixels, right, used)


def write_sheet(samples: Samples, path: Path, columns: int = 4) -> None:
    """The first pictures of every name in two blocks of twelve columns, one name a column."""
    half = len(THINGS) // 2
    blocks = []
    for names in (samples.pixels[:half], samples.pixels[half:]):
        blocks += [np.concatenate(list(names[:, number]), 1) for number in range(columns)]
    Image.fromarray(np.concatenate(blocks)).save(path, quality=90)


def main() -> None:
    """Print what has been measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=480, help="of one thing, for naming")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--samples", type=int, default=0, help="of each name that the pipeline is asked for")
    parser.add_argument("--kept", type=Path, default=Path("out/world-samples"), help="folder that keeps them")
    parser.add_argument("--sheet", type=Path, help="also write a sheet of them, as JPEG")
    targets = parser.parse_args()
    torch.set_num_threads(1)
    segmenter = Segmenter("world", config=SEGMENT)
    for name, share in naming(segmenter.encoders, targets.pictures).items():
        print(f"named right, {name}: {share:.3f}", flush=True)
    scenes = held_out_scenes(targets.scenes)
    for classes in (THINGS, FEW, STUFF):
        mean, each = mean_iou(segmenter, scenes, classes)
        print(
            f"text only, {len(classes)} names, mIoU {mean:.3f}, background {each['background']:.3f}",
            flush=True,
        )
    tower = segmenter.encoders
    diffusion = ModelChoice(backbone=f"local-dir:{WEIGHTS / 'diffusion'}")
    pipeline = Preset(PresetCard("diffusion", "", diffusion), tower.context)
    for name, iou in {
        "image tower": discovery(tower, targets.scenes),
        "image tower, DINOv2's settings": discovery(tower, targets.scenes, DiscoveryConfig()),
        "diffusion pipeline": discovery(pipeline, targets.scenes),
    }.items():
        print(
            f"objects found by the {name}: {(iou >= 0.5).mean():.3f}, mean IoU {iou.mean():.3f}", flush=True
        )
    if targets.samples:
        for style, config in {
            "training": SAMPLES,
            "held-out": replace(SAMPLES, held_out_styles=True),
        }.items():
            pixels, labels = singles(config, targets.pictures, SEED)
            print(f"judge, {style} styles: {(judged(load_judge(), pixels) == labels).mean():.3f}", flush=True)
        found = sampled(WEIGHTS / "diffusion", targets.samples, targets.kept, segmenter.encoders)
        each = {name: round(float(share), 2) for name, share in zip(THINGS, found.right.mean(1), strict=True)}
        print(f"samples recognised: {found.right.mean():.3f} {each}")
        share = found.right[found.used].mean() if found.used.any() else float("nan")
        print(f"samples kept as support: {found.used.mean():.3f}, of these recognised: {share:.3f}")
        if targets.sheet is not None:
            write_sheet(found, targets.sheet)


if __name__ == "__main__":
    main()
