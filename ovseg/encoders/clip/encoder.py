"""CLIP as image-text encoder: features of images, patches and words in one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from ovseg.encoders.base import FeatureKey
from ovseg.encoders.clip.load import LoadedClip, load_model
from ovseg.encoders.clip.text import AS_IT_IS, ClipText
from ovseg.encoders.clip.tower import Tower, tower_of
from ovseg.encoders.clip.variants import DenseVariant, dense_variant
from ovseg.encoders.clip.variants.base import ProxyFeatures
from ovseg.encoders.context import LoadContext


class ClipHead:
    """Prompts as a softmax over cosines.

    Features come at unit length; a mean of several is scored by its mean cosine, as published methods average
    the logits of overlapping windows.

    Args:
        prompts: (T, E) unit-length embeddings.
        scale: Factor on the cosines.
    """

    def __init__(self, prompts: torch.Tensor, scale: float) -> None:
        self.prompts = prompts
        self.scale = scale
        # CLIP has seen pictures of all words: its class prior is uniform.
        self.class_prior = torch.full((len(prompts),), 1 / len(prompts), device=prompts.device)

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """(…, E) to (…, T) probabilities."""
        return torch.softmax(self.scale * (features.float() @ self.prompts.T), dim=-1)


@dataclass(frozen=True)
class ClipConfig:
    """How a CLIP model gives patch features and scores.

    Attributes:
        variant: Name of the dense variant.
        templates: Name of the template set for prompts.
        dense_scales: Shorter sides at which dense features are taken; None: one and a half times the side of
            the training images, the published methods' 336 for 224.
        window: Crop and stride in pixels; None: the whole image at a time.
        scale: Factor on cosines before the softmax over prompts; None: the model's own.
    """

    variant: str = "proxyclip"
    templates: str = "imagenet80"
    dense_scales: tuple[int, ...] | None = None
    window: tuple[int, int] | None = None
    scale: float | None = None


class ClipEncoder:
    """An :class:`~ovseg.encoders.base.ImageTextEncoder` (and a ``CosineEncoder``) of an open_clip model.

    Args:
        clip: A loaded model.
        context: Device, dtype of the weights (features are float32), and where text embeddings are kept.
        config: How it gives patch features and scores.

    Raises:
        UnknownName: No such variant.
        UsageError: The image tower cannot be read patch by patch.
    """

    synonym_cosine: float | None = None

    def __init__(
        self,
        clip: LoadedClip,
        context: LoadContext,
        config: ClipConfig = ClipConfig(),
    ) -> None:
        self._variant: DenseVariant = dense_variant(config.variant)
        self._tower: Tower = tower_of(clip.model.visual, clip.mean, clip.std)
        self._tower.dense.to(device=context.device, dtype=context.dtype)
        self._model = clip.model.to(device=context.device, dtype=context.dtype)
        self._text = ClipText(clip, context)
        self._about = clip.about
        self._dtype = context.dtype
        self.device = context.device
        self.mean = clip.mean
        self.templates = config.templates
        self.multiple = self._tower.patch
        self.image_size = int(clip.model.visual.image_size[0])
        usual = round(1.5 * self.image_size / self.multiple) * self.multiple
        self.dense_scales = config.dense_scales or (usual,)
        self.window = config.window
        self.logit_scale = float(clip.model.logit_scale.float().exp())
        self.scale = self.logit_scale if config.scale is None else config.scale

    @property
    def proxy_keys(self) -> tuple[FeatureKey, ...]:
        """Layers and facets of the backbone that :meth:`encode_dense` needs."""
        return self._variant.proxy_keys

    @torch.inference_mode()
    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) of the training images' side to (B, E) of unit length."""
        normalized = self._tower.dense.normalize(images.to(self.device))
        features = self._model.encode_image(normalized.to(self._dtype))
        return F.normalize(features.float(), dim=-1)

    @torch.inference_mode()
    def encode_dense(self, images: torch.Tensor, proxy_features: ProxyFeatures | None = None) -> torch.Tensor:
        """(B, 3, H, W) to (B, h, w, E) of unit length; on the grid of the proxy features, if any."""
        return F.normalize(self.dense_features(images, proxy_features).float(), dim=-1)

    @torch.inference_mode()
    def dense_features(
        self, images: torch.Tensor, proxy_features: ProxyFeatures | None = None
    ) -> torch.Tensor:
        """Return the same before normalization to unit length, in the model's dtype.

        Raises:
            ValueError: Proxy features are missing, or sides are no multiple of the patch.
        """
        given = proxy_features or {}
        missing = [key for key in self.proxy_keys if key not in given]
        if missing:
            raise ValueError(f"variant {self._variant.name} needs features {missing} of the backbone")
        if images.shape[-2] % self.multiple or images.shape[-1] % self.multiple:
            raise ValueError(f"image {tuple(images.shape[-2:])} is no multiple of the patch {self.multiple}")
        return self._variant.encode(self._tower, images.to(self.device), given)

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        """(…, E) features to unit length: pictures and texts are in one space as they are."""
        return F.normalize(features.float(), dim=-1)

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """(T, E) unit-length embeddings of texts as they stand, on the CPU."""
        return self._text.encode(texts, AS_IT_IS)

    def encode_words(self, words: Sequence[str], templates: str | None = None) -> torch.Tensor:
        """(T, E) unit-length embeddings of names in a template set (default: the encoder's own)."""
        return self._text.encode(words, templates or self.templates).to(self.device)

    def prompt_head(self, prompts: Sequence[str], target_count: int | None = None) -> ClipHead:
        """A head over unit-length features; see :class:`ClipHead`."""
        return ClipHead(self.encode_words(prompts), self.scale)

    def describe(self) -> dict[str, Any]:
        """What it is and how it is used, for run.json."""
        return self._about | {
            "variant": self._variant.name,
            "templates": self.templates,
            "dense_scales": list(self.dense_scales),
            "window": list(self.window) if self.window else None,
            "scale": self.scale,
        }


def load_clip(
    spec: str,
    context: LoadContext,
    config: ClipConfig = ClipConfig(),
) -> ClipEncoder:
    """Load a CLIP model from files that are on this machine.

    Args:
        spec: See :mod:`ovseg.weights.spec`.
        context: As :class:`ClipEncoder` takes it.
        config: Likewise.

    Raises:
        UnknownName: No such architecture, tag or variant.
        UsageError: The spec is malformed, or the image tower cannot be read patch by patch.
        WeightsUnavailable: Weights or tokenizer are not here, or not of this model.
    """
    return ClipEncoder(load_model(spec), context, config)
