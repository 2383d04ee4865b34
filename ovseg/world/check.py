"""How good the world's models are, each on pictures that it has not seen: ``python -m ovseg.world.check``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.discovery import DiscoveryConfig
from ovseg.encoders.presets import Encoders
from ovseg.encoders.world import SIDE
from ovseg.evaluation.metrics import area_counts, confusion_matrix, figures
from ovseg.pipeline.discoverer import Discoverer
from ovseg.pipeline.segmenter import Segmenter
from ovseg.world.judge import judged, load_judge, singles
from ovseg.world.names import FEW, STUFF, THINGS
from ovseg.world.scenes import LABELS, Scene, SceneConfig, draw_scene
from ovseg.world.train.common import WEIGHTS
from ovseg.world.vocabulary import SEGMENT, world_vocabulary

SEED = 1_000_003
"""Of the pictures for measuring; training scripts draw from others."""

SCENES = SceneConfig(side=SIDE, objects=(1, 4), scale=(0.28, 0.5), two_stuffs=0.3, pairs="all")
"""Scenes in which names are looked for."""

PICTURES: dict[str, SceneConfig] = {
    "styles and pairs of training": SceneConfig(),
    "held-out pairs": SceneConfig(pairs="held-out"),
    "held-out styles": SceneConfig(held_out_styles=True),
}
"""Pictures of one thing by which naming is judged."""


def held_out_scenes(count: int, seed: int = SEED, config: SceneConfig = SCENES) -> list[Scene]:
    """Scenes that no model has been trained on."""
    return [draw_scene(config, np.random.default_rng([seed, number])) for number in range(count)]


def naming(encoders: Encoders, count: int, seed: int = SEED) -> dict[str, float]:
    """Share of pictures of one thing that the *names* role calls by its name, among all things."""
    words = encoders.names.prompt_head(THINGS)
    found = {}
    for name, config in PICTURES.items():
        pixels, labels = singles(config, count, seed)
        features = encoders.names.encode_image(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
        found[name] = float((words(features).argmax(1).cpu().numpy() == labels).mean())
    return found


def mean_iou(
    segmenter: Segmenter, scenes: list[Scene], classes: tuple[str, ...]
) -> tuple[float, dict[str, float]]:
    """Mean IoU with background, everything but ``classes`` being background, and each class's own."""
    names = ("background", *classes)
    lookup = np.array([names.index(label) if label in classes else 0 for label in LABELS], np.uint8)
    vocabulary = world_vocabulary(classes)
    total = np.zeros((len(names), len(names) + 1), np.int64)
    for scene in scenes:
        labels = segmenter.segment(scene.pixels, vocabulary).labels
        total += confusion_matrix(lookup[scene.labels], labels, len(names))
    result = figures(area_counts(total))
    return float(result.miou), dict(zip(names, map(float, result.iou), strict=True))


def discovery(encoders: Encoders, count: int, seed: int = SEED) -> float:
    """Share of scenes with one object whose best region by normalized cut overlaps it by half (IoU)."""
    scene = SceneConfig(side=SIDE, scale=(0.35, 0.6), reach=0.0)
    discoverer = Discoverer(encoders, DiscoveryConfig(image_size=SIDE))
    hits = 0
    for one in held_out_scenes(count, seed, scene):
        regions = discoverer.discover(one.pixels).regions
        truth = one.instances == 1
        if regions:
            mask: npt.NDArray[np.bool_] = regions[0].mask
            hits += (mask & truth).sum() >= 0.5 * (mask | truth).sum()
    return hits / count


def sampled(folder: Path, count: int, seed: int = SEED) -> dict[str, Any]:
    """Pictures that the pipeline makes of each thing, ``count`` a name, and what the judge says."""
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    pixels, right = [], {}
    judge = load_judge()
    for thing in THINGS:
        article = "an" if thing[0] in "aeiou" else "a"
        made = pipe(
            [f"a good picture of {article} {thing}"] * count,
            num_inference_steps=20,
            guidance_scale=4.0,
            generator=[torch.Generator().manual_seed(seed + i) for i in range(count)],
            output_type="np",
        ).images
        pixels.append((made * 255).round().astype(np.uint8))
        right[thing] = float((judged(judge, pixels[-1]) == THINGS.index(thing)).mean())
    return {"pixels": np.stack(pixels), "right": right}


def main() -> None:
    """Print what has been measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=480, help="of one thing, for naming")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument(
        "--samples",
        type=int,
        default=0,
        help="of each name that the pipeline and the judge, once trained, are asked for",
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    segmenter = Segmenter.from_preset("world", config=SEGMENT)
    for name, share in naming(segmenter.encoders, asked.pictures).items():
        print(f"named right, {name}: {share:.3f}", flush=True)
    scenes = held_out_scenes(asked.scenes)
    for classes in (THINGS, FEW, STUFF):
        mean, each = mean_iou(segmenter, scenes, classes)
        print(
            f"text only, {len(classes)} names, mIoU {mean:.3f}, background {each['background']:.3f}",
            flush=True,
        )
    print(f"discovery: {discovery(segmenter.encoders, asked.scenes):.3f}", flush=True)
    if asked.samples:
        for style, config in {
            "training": SceneConfig(),
            "held-out": SceneConfig(held_out_styles=True),
        }.items():
            pixels, labels = singles(config, asked.pictures, SEED)
            print(f"judge, {style} styles: {(judged(load_judge(), pixels) == labels).mean():.3f}", flush=True)
        right = sampled(WEIGHTS / "diffusion", asked.samples)["right"]
        print(f"samples recognised: {np.mean(list(right.values())):.3f} {right}")


if __name__ == "__main__":
    main()
