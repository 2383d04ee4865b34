"""Encoders of colours: a word means a colour, a shape is a patch of one colour, objects are saturated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from ovseg.encoders.base import Backbone, FeatureKey, FeatureSpace, ImageTextEncoder
from ovseg.encoders.presets import EncoderSource, LoadContext, Preset, PresetCard
from ovseg.encoders.vit import Facet

COLOURS = {"tomato": (1.0, 0.0, 0.0), "frog": (0.0, 1.0, 0.0), "whale": (0.0, 0.0, 1.0)}
GREY = (0.5, 0.5, 0.5)
"""What every other word means."""


def colour_of(text: str) -> torch.Tensor:
    return torch.tensor(COLOURS.get(text, GREY))


def patches(images: torch.Tensor, side: int) -> torch.Tensor:
    """(B, 3, H, W) to (B, H / side, W / side, 3): the mean colour of each patch."""
    return F.avg_pool2d(images, side).permute(0, 2, 3, 1)


class ColourHead:
    """Features are colours; a prompt's probability falls with the distance from its colour."""

    def __init__(self, colours: torch.Tensor) -> None:
        self.colours = colours
        self.class_prior = torch.full((len(colours),), 1 / len(colours))

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        distance = (features[..., None, :] - self.colours).square().sum(-1)
        return torch.softmax(-10 * distance, dim=-1)


class ColourNames:
    dense_scales = (96, 128)
    image_size = 64
    multiple = 8
    window: tuple[int, int] | None = None
    synonym_cosine: float | None = 0.75
    proxy_keys: tuple[FeatureKey, ...] = ()

    def __init__(self) -> None:
        self.images: list[tuple[int, ...]] = []
        self.heads = 0

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        self.images.append(tuple(images.shape))
        return images.mean((2, 3))

    def encode_dense(self, images: torch.Tensor, proxy_features: Any = None) -> torch.Tensor:
        self.images.append(tuple(images.shape))
        return patches(images, self.multiple)

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        # One axis a text: no word is near another, so the lexicon gives only what it has for the word itself.
        self._axes = getattr(self, "_axes", {})
        rows = [self._axes.setdefault(text, len(self._axes)) for text in texts]
        return F.one_hot(torch.tensor(rows), 4096).float()

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        near = torch.cdist(features.float(), torch.stack([colour_of(word) for word in COLOURS]))
        return self.encode_text(list(COLOURS))[near.argmin(-1)]

    def describe(self) -> dict[str, Any]:
        return {"name": "colour words"}

    def prompt_head(self, prompts: Sequence[str], target_count: int | None = None) -> ColourHead:
        self.heads += 1
        return ColourHead(torch.stack([colour_of(text) for text in prompts]))


class ColourShape:
    patch = 8

    def __init__(self, decoder: bool = True) -> None:
        self._decoder = decoder

    def encode(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]] = ((-1, "token"),)
    ) -> dict[tuple[int, Facet], torch.Tensor]:
        return {pair: patches(images, self.patch) - 0.4 for pair in wanted}

    def saliency(self, tokens: torch.Tensor) -> torch.Tensor | None:
        if not self._decoder:
            return None
        fine = tokens.repeat_interleave(2, 1).repeat_interleave(2, 2)
        return (fine.amax(-1) - fine.amin(-1)).clamp(0, 1)

    def describe(self) -> dict[str, Any]:
        return {"name": "colours"}


def fake_encoders(*, decoder: bool = True) -> Preset:
    return Preset(fake_card(decoder=decoder), LoadContext())


def fake_card(name: str = "fake", *, decoder: bool = True) -> PresetCard:
    """A preset on record that needs no weights."""

    # Named by their protocols, so that the type checker holds the doubles to them.
    def image_text(_: LoadContext) -> ImageTextEncoder:
        return ColourNames()

    def backbone(_: LoadContext) -> Backbone:
        return ColourShape(decoder)

    return PresetCard(
        name,
        "colours instead of names",
        image_text=EncoderSource(image_text),
        backbone=EncoderSource(backbone),
        spaces=(FeatureSpace("colours", "backbone"), FeatureSpace("words", "image_text")),
    )
