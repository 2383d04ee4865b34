"""An independent judge of pictures: a small convolutional classifier of things, of the held-out styles.

It has seen none of the drawings that the other models are trained on, and takes no part in the method.
``python -m ovseg.world.judge`` trains it.
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from ovseg.weights.readers import read_state
from ovseg.world.names import THINGS
from ovseg.world.scenes import SceneConfig, draw_scene
from ovseg.world.train.common import WEIGHTS, arguments
from ovseg.world.train.export import save_half, write_record
from ovseg.world.train.image_text import augmented
from ovseg.world.train.loop import Loop, LoopConfig

FILE = "judge.safetensors"

DRAWN = SceneConfig(scale=(0.5, 0.95), reach=0.1, pairs="all", held_out_styles=True)
"""What it learns from."""


class Judge(nn.Module):
    """64-pixel pictures to logits over :data:`~ovseg.world.names.THINGS`."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 128)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.GroupNorm(8, b) for b in widths[1:])
        self.head = nn.Linear(widths[-1] * 4, len(THINGS))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised (B, 3, 64, 64) to (B, classes)."""
        x = images
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        logits: torch.Tensor = self.head(F.adaptive_max_pool2d(x, 2).flatten(1))
        return logits


def load_judge(folder: Path = WEIGHTS / "judge") -> Judge:
    """The trained judge, in eval mode on the CPU."""
    judge = Judge()
    judge.load_state_dict(read_state(folder / FILE))
    return judge.eval()


@torch.inference_mode()
def judged(judge: Judge, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """(B, 64, 64, 3) uint8 pictures to (B,) indices of things."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    found: npt.NDArray[np.int64] = judge((images - 0.5) / 0.27).argmax(1).numpy()
    return found


def singles(
    config: SceneConfig, count: int, seed: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """``count`` pictures of one thing, and its index, all things as often."""
    pixels: list[npt.NDArray[np.uint8]] = []
    labels: list[int] = []
    number = 0
    while len(pixels) < count:
        thing = THINGS[len(pixels) % len(THINGS)]
        one = SceneConfig(**{**vars(config), "things": (thing,), "objects": (1, 1)})
        scene = draw_scene(one, np.random.default_rng([seed, number]))
        number += 1
        if scene.things:
            pixels.append(scene.pixels)
            labels.append(THINGS.index(thing))
    return np.stack(pixels), np.array(labels, np.int64)


def train(config: LoopConfig, count: int, folder: Path, work: Path, device: str) -> None:
    """Train on ``count`` pictures in the held-out styles."""
    pixels, labels = singles(DRAWN, count, config.seed)
    torch.manual_seed(config.seed)
    judge = Judge().to(device)
    loop = Loop(judge, config, work / "judge.safetensors")

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        chosen = rng.integers(0, count, config.batch)
        logits = judge(augmented(pixels[chosen], rng).to(device))
        return F.cross_entropy(logits, torch.from_numpy(labels[chosen]).to(device), label_smoothing=0.1)

    loop.run(loss_of)
    save_half(judge.state_dict(), folder / FILE)
    write_record(folder, "ovseg.world.judge", asdict(config) | {"pictures": count})


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "judge")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--pictures", type=int, default=4800)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    config = LoopConfig(
        steps=asked.steps, batch=asked.batch, rate=asked.rate, seed=asked.seed, warmup=50, save_every=400
    )
    train(config, asked.pictures, asked.out, asked.work, asked.device)


if __name__ == "__main__":
    main()
