"""An independent judge of sampled pictures: a small convolutional classifier of things.

It has learned from the held-out styles and the further ones, none of which the diffusion pipeline has seen,
and takes no part in the method.
``python -m learned_world.judge`` trains it.
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

from learned_world.drawings import Drawing, drawings_of
from learned_world.generate import SIDE
from learned_world.names import STUFF, THINGS, TRAIN_STYLES
from learned_world.scenes import SceneConfig, draw_scene
from learned_world.train.ahead import ahead
from learned_world.train.augment import tinted
from learned_world.train.common import WEIGHTS, arguments, loop_config
from learned_world.train.export import save_half, write_record
from learned_world.train.fresh import Kind, Painter
from learned_world.train.loop import Loop, LoopConfig
from ovseg.weights.readers import read_state

FILE = "judge.safetensors"

DRAWN = (Kind(scale=(0.45, 0.6), reach=0.0), Kind(scale=(0.27, 0.55), reach=0.0))
"""What it learns from: pictures of one large thing, then of one as large as samples are."""


class Judge(nn.Module):
    """Pictures to logits over :data:`~learned_world.names.THINGS`."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 96, 160)
        pairs = list(pairwise(widths))
        self.halvings = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.convs = nn.ModuleList(nn.Conv2d(b, b, 3, padding=1) for _, b in pairs[1:])
        self.norms = nn.ModuleList(nn.GroupNorm(8, b) for _, b in (*pairs, *pairs[1:]))
        self.head = nn.Linear(widths[-1], len(THINGS))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised (B, 3, S, S) to (B, classes)."""
        x = images
        for number, halve in enumerate(self.halvings):
            x = F.relu(self.norms[number](halve(x)))
            if number:
                x = x + F.relu(self.norms[len(self.convs) + number](self.convs[number - 1](x)))
        logits: torch.Tensor = self.head(x.amax((2, 3)))
        return logits


def load_judge(folder: Path = WEIGHTS / "judge") -> Judge:
    """The trained judge, in eval mode on the CPU."""
    judge = Judge()
    judge.load_state_dict(read_state(folder / FILE))
    return judge.eval()


@torch.inference_mode()
def judged(judge: Judge, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """(B, S, S, 3) uint8 pictures to (B,) indices of things."""
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


class Examples:
    """Pictures of a step with the indices of what they show.

    Args:
        painter: Of the pictures.
        batch: Pictures a step, of which a few show nothing and are left out.
        large: Steps at first that show large things.
    """

    def __init__(self, painter: Painter, batch: int, large: int) -> None:
        self.painter, self.batch, self.large = painter, batch, large
        self.grounds = [(), *((name,) for name in STUFF)]

    def __call__(self, step: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 3, S, S) normalised and (B,) int64."""
        stuff = [self.grounds[int(i)] for i in rng.integers(0, len(self.grounds), self.batch)]
        images, told = self.painter.paint(stuff, DRAWN[int(step >= self.large)], rng)
        seen = [number for number, one in enumerate(told) if one.things]
        labels = torch.tensor([THINGS.index(told[number].things[0]) for number in seen])
        return tinted(images[seen], rng), labels


def train(
    painter: Painter, config: LoopConfig, folder: Path, work: Path, device: str, workers: int = 0
) -> None:
    """Train on a painter's pictures."""
    torch.manual_seed(config.seed)
    judge = Judge().to(device)
    loop = Loop(judge, config, work / "judge.safetensors")
    examples = Examples(painter, config.batch, config.steps // 4)
    steps = ahead(examples, config.seed, range(loop.done, config.steps), workers)

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        images, labels = next(steps)
        return F.cross_entropy(judge(images.to(device)), labels.to(device), label_smoothing=0.1)

    loop.run(loss_of)
    loop.averaged()
    save_half(judge.state_dict(), folder / FILE)
    write_record(folder, "learned_world.judge", asdict(config))


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "judge", steps=1400, batch=128, rate=1.5e-3)
    targets = parser.parse_args()
    config = loop_config(
        targets,
        warmup=50,
        ema=0.98,
        save_every=400,
    )
    train(
        Painter(targets.seed, drawings(), SIDE),
        config,
        targets.out,
        targets.work,
        targets.device,
        targets.workers,
    )


if __name__ == "__main__":
    main()
