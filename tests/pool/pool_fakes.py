"""Encoders that see the mean colour of a picture and know the words red, green, blue and a few more."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ovseg.encoders.base import Backbone, ImageTextEncoder
from ovseg.encoders.presets import EncoderSource, LoadContext, Preset, PresetCard
from ovseg.encoders.vit import Facet

WORDS = {
    "red": (1.0, 0.0, 0.0),
    "scarlet": (1.0, 0.0, 0.0),
    "orange": (1.0, 0.4, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}
GREY = (0.5, 0.5, 0.5)
"""What every other word means."""


def meaning(text: str) -> torch.Tensor:
    return torch.tensor(next((WORDS[word] for word in text.strip(".").split() if word in WORDS), GREY))


class MeanColour:
    """Features are colours less grey; a prompt's probability falls with the distance from its colour."""

    dense_scales = (64,)
    image_size = 16
    multiple = 8

    def __init__(self, about: str = "mean colour", seconds: float = 0.0, halt: int | None = None) -> None:
        self.batches: list[int] = []
        self._halt = halt
        self._about = about
        self._seconds = seconds

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        # At ``halt`` it stands still until its process is ended: a test that does so comes in time.
        time.sleep(600 if len(self.batches) == self._halt else self._seconds)
        self.batches.append(len(images))
        return images.mean((2, 3))

    def encode_dense(self, images: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(images, 8).permute(0, 2, 3, 1)

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        return self.embed(torch.stack([meaning(text) for text in texts]))

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        # A fourth axis for grey, which has no direction of its own.
        return F.normalize(torch.cat([features - 0.5, torch.full_like(features[..., :1], 0.1)], -1), dim=-1)

    def prompt_head(self, prompts: Sequence[str]) -> Any:
        colours = torch.stack([meaning(text) for text in prompts])

        def head(features: torch.Tensor) -> torch.Tensor:
            return torch.softmax(-10 * (features[..., None, :] - colours).square().sum(-1), dim=-1)

        head.class_prior = torch.full((len(prompts),), 1 / len(prompts))  # type: ignore[attr-defined]
        return head

    def describe(self) -> dict[str, Any]:
        return {"name": self._about, "sha256": "0" * 64}


class NoShape:
    patch = 8

    def encode(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]] = ((-1, "token"),)
    ) -> dict[tuple[int, Facet], torch.Tensor]:
        return {pair: F.avg_pool2d(images, 8).permute(0, 2, 3, 1) for pair in wanted}

    def saliency(self, tokens: torch.Tensor) -> torch.Tensor | None:
        return None

    def describe(self) -> dict[str, Any]:
        return {"name": "no shape"}


def pool_card(load: Callable[[LoadContext], ImageTextEncoder]) -> PresetCard:
    backbone: Backbone = NoShape()
    sources = EncoderSource(load), EncoderSource(lambda _: backbone)
    return PresetCard("fake", "colours", image_text=sources[0], backbone=sources[1], spaces=())


def pool_encoders(about: str = "mean colour", seconds: float = 0.0, halt: int | None = None) -> Preset:
    return Preset(pool_card(lambda _: MeanColour(about, seconds, halt)), LoadContext())


def fake_card() -> PresetCard:
    """A preset on record whose encoder is set by the environment when it is loaded.

    ``FAKE_SECONDS`` is the time of a forward pass, ``FAKE_HALT`` how many there are before it stands still.
    """

    def load(_: LoadContext) -> MeanColour:
        halt = os.environ.get("FAKE_HALT")
        return MeanColour(
            os.environ.get("FAKE_ABOUT", "mean colour"),
            float(os.environ.get("FAKE_SECONDS", "0")),
            None if halt is None else int(halt),
        )

    return pool_card(load)


def paint(path: Path, colour: tuple[int, int, int], *, seed: int | None = None, size: int = 48) -> None:
    """A picture of one colour, with a pattern of its own where a seed is given."""
    pixels = np.tile(np.array(colour, np.float64), (size, size, 1))
    if seed is not None:
        blocks = np.random.default_rng(seed).normal(0, 24, (8, 8, 1))
        pixels += np.kron(blocks - blocks.mean(), np.ones((size // 8, size // 8, 1)))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
