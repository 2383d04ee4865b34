"""Doubles: a sampler whose pictures are colours by seed, and an encoder to whom a word is a colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ovseg.support.diffusion.config import DiffusionConfig
from ovseg.support.diffusion.prompting import load_prompting
from ovseg.support.diffusion.sample_store import SampleStore
from ovseg.support.diffusion.sampler import Request, Sample
from ovseg.support.diffusion.source import DiffusionSource

COLOURS = {"tomato": (1.0, 0.0, 0.0), "frog": (0.0, 1.0, 0.0), "whale": (0.0, 0.0, 1.0)}
GREY = (0.5, 0.5, 0.5)


class ColourHead:
    def __init__(self, colours: torch.Tensor) -> None:
        self.colours = colours
        self.class_prior = torch.full((len(colours),), 1 / len(colours))

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        return torch.softmax(-10 * (features[..., None, :] - self.colours).square().sum(-1), dim=-1)


class ColourNames:
    """Features are mean colours; every word without a colour is grey."""

    image_size = 16

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        self._axes = getattr(self, "_axes", {})
        rows = [self._axes.setdefault(text, len(self._axes)) for text in texts]
        return F.one_hot(torch.tensor(rows), 4096).float()

    def prompt_head(self, prompts: Sequence[str]) -> ColourHead:
        return ColourHead(torch.tensor([COLOURS.get(text, GREY) for text in prompts]))


def picture(colour: tuple[float, float, float], seed: int) -> np.ndarray:
    """24 x 20 pixels of a colour, with a pattern of the seed's own."""
    noise = np.random.default_rng(seed).uniform(-0.3, 0.3, (24, 20, 3))
    return np.round((np.array(colour) + noise).clip(0, 1) * 255).astype(np.uint8)


class ScriptedSampler:
    """What comes of a seed stands in a script: a word's picture, a doubled picture, or a flaw.

    Attributes:
        batches: Seeds of each batch that was made.
    """

    def __init__(self, script: dict[int, str], **settings: Any) -> None:
        self.config = DiffusionConfig(**{"seed": 0, "batch_size": 2, **settings})
        self.script = script
        self.batches: list[list[int]] = []
        self.note = ""
        self.stop_after: int | None = None

    @property
    def batch_size(self) -> int:
        return self.config.batch_size

    def sample(self, requests: Sequence[Request]) -> list[Sample]:
        self.batches.append([request.seed for request in requests])
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Sample:
        what = self.script.get(request.seed, request.prompt.word)
        word, _, twin = what.partition("@")
        pixels = picture(COLOURS.get(word, GREY), int(twin or request.seed))
        attribution = np.linspace(0, 1, 30, dtype=np.float32).reshape(6, 5)
        return Sample(pixels, attribution, "blank" if word == "blank" else None)

    def describe(self) -> dict[str, Any]:
        model = {"name": "scripted", "kind": "folder", "identity": "0" * 64, "licence": "CC0"}
        return {"model": model, "steps": self.config.steps}

    def metadata(self) -> dict[str, Any]:
        return {"device": "cpu"}


def scripted_source(
    folder: Path, script: dict[int, str], sample_classifier: Any = None, **settings: Any
) -> SimpleNamespace:
    """A source over a script, and its parts."""
    sampler = ScriptedSampler(script, **settings)
    lines: list[str] = []
    sample_store = SampleStore(folder, sampler.describe())
    source = DiffusionSource(sampler, sample_store, load_prompting(), sample_classifier, lines.append)
    return SimpleNamespace(source=source, sampler=sampler, lines=lines, folder=folder)
