"""Encoders behind the prefix ``example:``, a backbone and an image-text encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from ovseg.encoders.base import FeatureKey, PromptHead
from ovseg.encoders.schemes import EncoderScheme, ModelRequest
from ovseg.encoders.vit import Family
from ovseg.errors import ConfigError, UnknownName, UsageError
from ovseg.weights.cards import PackageFile, WeightCard
from ovseg.weights.locate import about_weights, require_checked
from ovseg.weights.spec import ModelSpec
from ovseg_example_plugin.colours import COLOURS, colours_in, lab

_MODELS = {"lab": "mean and spread of Lab in each patch", "words": "colour words, compared in Lab"}


def card(spec: ModelSpec) -> WeightCard:
    """What stands for weights: the table of colours in this package.

    Raises:
        UnknownName: No model of that name is behind the prefix.
    """
    if spec.name not in _MODELS:
        raise UnknownName(f"unknown model {str(spec)!r}: there is example:{', example:'.join(_MODELS)}")
    return WeightCard(
        name=str(spec),
        what=_MODELS[spec.name],
        at=PackageFile("ovseg-example-plugin", "0.1.0", "ovseg_example_plugin", "colours.json"),
        licence="Apache-2.0",
        source="examples/plugin of ovseg",
        commercial=True,
        spec=str(spec),
    )


def _about(spec: ModelSpec) -> dict[str, Any]:
    found = card(spec)
    return about_weights(found, str(spec), require_checked(found))


def _patches(images: torch.Tensor, side: int) -> torch.Tensor:
    """(B, 3, H, W) in [0, 1] to the Lab pixels of each patch: (B, h, w, side * side, 3)."""
    rows = images.unfold(2, side, side).unfold(3, side, side)  # (B, 3, h, w, side, side)
    return lab(rows.flatten(4).permute(0, 2, 3, 4, 1))


class LabBackbone:
    """``example:lab``, a patch-feature backbone (``ovseg.encoders.base.Backbone``) without weights."""

    family: Family = "other"

    def __init__(self, request: ModelRequest) -> None:
        if request.spec.name != "lab":
            raise UsageError(f"{request.spec} has no patch features: take example:lab")
        self.patch: int = request.settings.patch
        self._request = request

    def encode(
        self, images: torch.Tensor, wanted: Iterable[FeatureKey] = ((-1, "token"),)
    ) -> dict[FeatureKey, torch.Tensor]:
        """(B, 3, H, W) to (B, h, w, 7): mean of Lab around mid-grey, its spread, and a constant.

        Raises:
            ConfigError: Another facet than ``token`` is wanted.
        """
        pairs = list(wanted)
        if any(facet != "token" for _, facet in pairs):
            raise ConfigError(f"example:lab has the facet token only, not {pairs}")
        pixels = _patches(images.to(self._request.context.device), self.patch)
        mean = (pixels.mean(-2) - torch.tensor([50.0, 0, 0], device=pixels.device)) / 50
        spread = pixels.std(-2) / 50
        found = torch.cat([mean, spread, torch.full_like(mean[..., :1], 0.3)], dim=-1)
        return dict.fromkeys(pairs, found.to(self._request.context.dtype))

    def saliency(self, tokens: torch.Tensor) -> torch.Tensor | None:
        """Nothing: colours do not say what is an object."""
        return None

    def describe(self) -> dict[str, Any]:
        """What it is, for run.json and banks."""
        return _about(self._request.spec)


class ColourHead:
    """Prompts as shares of colour words.

    Attributes:
        class_prior: (T,) probability of each prompt where all colours are as likely.
    """

    def __init__(self, encoder: ColourWords, weights: torch.Tensor) -> None:
        self._encoder, self._weights = encoder, weights
        self.class_prior = F.normalize(weights.mean(1), p=1, dim=0)

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """(…, 3) Lab to (…, T) probabilities over the prompts."""
        scores = self._encoder.colours(features) @ self._weights.T + 1e-6
        return scores / scores.sum(-1, keepdim=True)


class ColourWords:
    """``example:words``, an image-text encoder (``ovseg.encoders.base.ImageTextEncoder``) of colour words."""

    window: tuple[int, int] | None = None
    synonym_cosine: float | None = None
    proxy_keys: tuple[FeatureKey, ...] = ()

    def __init__(self, request: ModelRequest) -> None:
        if request.spec.name != "words":
            raise UsageError(f"{request.spec} is no image-text encoder: take example:words")
        self.multiple: int = request.settings.patch
        self.image_size = 224 // self.multiple * self.multiple
        self.dense_scales: tuple[int, ...] = (self.image_size,)
        self._softness: float = request.settings.softness
        self._request = request
        self._lab = lab(torch.tensor(list(COLOURS.values()), device=request.context.device) / 255)

    def colours(self, features: torch.Tensor) -> torch.Tensor:
        """(…, 3) Lab to (…, E) probabilities of the colour words."""
        distances = torch.cdist(features.float().reshape(-1, 3), self._lab) / self._softness
        return torch.softmax(-0.5 * distances**2, dim=-1).reshape(*features.shape[:-1], -1)

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, 3): the mean of Lab."""
        return lab(images.to(self._request.context.device).flatten(2).transpose(1, 2)).mean(1)

    def encode_dense(
        self, images: torch.Tensor, proxy_features: Mapping[FeatureKey, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """(B, 3, H, W) to (B, h, w, 3): the mean of Lab in each patch."""
        return _patches(images.to(self._request.context.device), self.multiple).mean(-2)

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """(T, E) of unit length: the colour words of each text; all of them where it has none."""
        return F.normalize(self._shares(texts), dim=-1)

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        """(…, 3) Lab to (…, E) of unit length."""
        return F.normalize(self.colours(features), dim=-1)

    def prompt_head(self, prompts: Sequence[str], target_count: int | None = None) -> PromptHead:
        """A head over Lab features."""
        return ColourHead(self, self._shares(prompts))

    def describe(self) -> dict[str, Any]:
        """What it is, for run.json, pools and banks."""
        return _about(self._request.spec)

    def _shares(self, texts: Sequence[str]) -> torch.Tensor:
        """(T, E), each row summing to 1."""
        words = [colours_in(text) or list(COLOURS) for text in texts]
        rows = [[(name in found) / len(set(found)) for name in COLOURS] for found in words]
        return torch.tensor(rows, device=self._request.context.device)


SCHEME = EncoderScheme(card, backbone=LabBackbone, image_text=ColourWords)
