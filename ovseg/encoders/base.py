"""Protocols of encoders; everything after them is independent of the model.

- **Image-text encoder**: images and texts in one space.
- **Patch-feature backbone**: features that group the patches of one object within a photo.
- **Prototype backbone**: features that tell classes apart across photos. Prototypes may also use features of
  the other two (:class:`FeatureSpace`).

Images enter as (B, 3, H, W) float tensors in [0, 1], RGB, one size a batch, on the encoder's device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch

from ovseg.encoders.vit import Facet, Family

FeatureKey = tuple[int, Facet]
"""A layer and a facet of the backbone."""


@dataclass(frozen=True)
class FeatureSpace:
    """A space of patch features of one encoder of a preset, for prototypes.

    Attributes:
        name: What banks and reports call it.
        role: The encoder that gives the features: ``backbone``, ``prototype_backbone``, or ``image_text``
            (its dense features).
        layer: Layer of a ``backbone`` or ``prototype_backbone`` encoder; negative counts from the last.
        facet: Facet of that layer.
    """

    name: str
    role: Literal["backbone", "image_text", "prototype_backbone"]
    layer: int = -1
    facet: Facet = "token"


class PromptHead(Protocol):
    """A classifier over features of an image-text encoder, made of prompts.

    Attributes:
        class_prior: (T,) probability of each prompt on an average picture, summing to 1.
    """

    class_prior: torch.Tensor

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """(…, D) features to (…, T) probabilities over the prompts, summing to 1."""
        ...


class ImageTextEncoder(Protocol):
    """Images and texts in one space.

    Features are linear before the head: they may be resampled, averaged over windows and propagated along
    affinities before they are scored.

    Attributes:
        dense_scales: Shorter sides in pixels at which dense features are taken and averaged.
        image_size: Side in pixels of the square at which a whole image is encoded.
        multiple: Sides of images must be multiples of this.
        window: Crop and stride, in pixels, of the windows in which dense features are taken at each of
            ``dense_scales``; None: the whole image at a time.
        synonym_cosine: Cosine of two texts from which they are synonyms; None: cosines do not tell.
    """

    dense_scales: tuple[int, ...]
    image_size: int
    multiple: int
    window: tuple[int, int] | None
    synonym_cosine: float | None

    @property
    def proxy_keys(self) -> tuple[FeatureKey, ...]:
        """Layers and facets of the backbone that :meth:`encode_dense` needs; often none."""
        ...

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, D): one feature for the whole image."""
        ...

    def encode_dense(
        self, images: torch.Tensor, proxy_features: Mapping[FeatureKey, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """(B, 3, H, W) to (B, h, w, D): one feature per patch.

        Args:
            images: The images.
            proxy_features: (B, h', w', D') features of the same images from the backbone, for each of
                ``proxy_keys``; the patch grid of the result may then be theirs.
        """
        ...

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """(T, E) unit-length text embeddings."""
        ...

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        """(…, D) features to (…, E) unit-length embeddings in the space of the texts, for retrieval."""
        ...

    def prompt_head(self, prompts: Sequence[str], target_count: int | None = None) -> PromptHead:
        """Return a head that scores features against the prompts, each against all others.

        Args:
            prompts: Texts.
            target_count: The first so many are target classes, the others are background; an encoder may
                use that for images that resemble none of the prompts. None: all are target classes.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """What it is, for run.json, pools and banks: architecture, weights, hash, licence."""
        ...


@runtime_checkable
class CosineEncoder(Protocol):
    """An :class:`ImageTextEncoder` whose unit-length features are compared with texts by cosine (CLIP).

    Attributes:
        mean: Mean of its training images, per channel in [0, 1]: the colour that normalizes to zero.
        logit_scale: Factor on cosines with which it was trained.
    """

    mean: tuple[float, ...]
    logit_scale: float

    def encode_words(self, words: Sequence[str], templates: str | None = None) -> torch.Tensor:
        """(T, D) unit-length embeddings of names in a set of templates (default: the encoder's own)."""
        ...


class Backbone(Protocol):
    """Patch features of images, as a patch-feature backbone or prototype backbone.

    Attributes:
        patch: Side in pixels of a patch.
        family: How it was trained, by the model and not by its path.
    """

    patch: int
    family: Family

    def encode(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]] = ((-1, "token"),)
    ) -> dict[tuple[int, Facet], torch.Tensor]:
        """(B, 3, H, W) to (B, h, w, D) for each (layer, facet); H and W are multiples of ``patch``."""
        ...

    def saliency(self, tokens: torch.Tensor) -> torch.Tensor | None:
        """(B, h, w, D) last-layer tokens to (B, h', w') foreground probability, or None without a decoder."""
        ...

    def describe(self) -> dict[str, Any]:
        """What it is, for run.json: architecture, weights, hash, licence."""
        ...
