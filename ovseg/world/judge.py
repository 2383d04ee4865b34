"""An independent judge of sampled pictures: a small convolutional classifier of things.

It has learned from the held-out styles and the further ones, none of which the diffusion pipeline has seen,
and takes no part in the method.
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
from ovseg.world.drawings import Drawing, drawings_of
from ovseg.world.names import STUFF, THINGS, TRAIN_STYLES
from ovseg.world.scenes import SceneConfig, draw_scene
from ovseg.world.train.augment import tinted
from ovseg.world.train.common import WEIGHTS, arguments, loop_config
from ovseg.world.train.export import save_half, write_record
from ovseg.world.train.fresh import Kind, Painter
from ovseg.world.train.loop import Loop, LoopConfig

FILE = "judge.safetensors"

DRAWN = (Kind(scale=(0.6, 1.0), reach=0.0), Kind(scale=(0.5, 0.95), reach=0.1))
"""What it learns from: pictures of one large thing, then of one a little smaller."""


class Judge(nn.Module):
    """64-pixel pictures to logits over :data:`~ovseg.world.names.THINGS`."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 96, 128)
        pairs = list(pairwise(widths))
        self.halvings = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.convs = nn.ModuleList(nn.Conv2d(b, b, 3, padding=1) for _, b in pairs[1:])
        self.norms = nn.ModuleList(nn.GroupNorm(8, b) for _, b in (*pairs, *pairs[1:]))
        self.head = nn.Linear(widths[-1] * 4, len(THINGS))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised (B, 3, 64, 64) to (B, classes)."""
        x = images
        for number, halve in enumerate(self.halvings):
            x = F.relu(self.norms[number](halve(x)))
            if number:
                x = x + F.relu(self.norms[len(self.convs) + number](self.convs[number - 1](x)))
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


def drawings() -> list[Drawing]:
    """All that the diffusion pipeline is not trained on."""
    found = [
        one
        for thing in THINGS
        for held_out in (True, False)
        for one in drawings_of(thing, held_out=held_out, more=True)
    ]
    return [one for one in found if one.style not in TRAIN_STYLES]


def train(painter: Painter, config: LoopConfig, folder: Path, work: Path, device: str) -> None:
    """Train on a painter's pictures."""
    torch.manual_seed(config.seed)
    judge = Judge().to(device)
    loop = Loop(judge, config, work / "judge.safetensors")
    grounds = [(), *((name,) for name in STUFF)]

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        stuff = [grounds[int(i)] for i in rng.integers(0, len(grounds), config.batch)]
        images, told = painter.paint(stuff, DRAWN[int(2 * step >= config.steps)], rng)
        seen = [number for number, one in enumerate(told) if one.things]
        labels = torch.tensor([THINGS.index(told[number].things[0]) for number in seen]).to(device)
        return F.cross_entropy(judge(tinted(images[seen], rng).to(device)), labels, label_smoothing=0.1)

    loop.run(loss_of)
    loop.averaged()
    save_half(judge.state_dict(), folder / FILE)
    write_record(folder, "ovseg.world.judge", asdict(config))


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "judge", steps=1800, batch=64, rate=1.5e-3)
    asked = parser.parse_args()
    config = loop_config(
        asked,
        warmup=50,
        ema=0.98,
        save_every=400,
    )
    train(Painter(asked.seed, drawings()), config, asked.out, asked.work, asked.device)


if __name__ == "__main__":
    main()
