"""What the encoders give for one image: all that deciding needs of it beside its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ovseg.matching.affinity import PatchAffinity
from ovseg.matching.appearance import PatchAppearance

__all__ = ["EncodedImage"]


@dataclass(frozen=True)
class EncodedImage:
    """An image after its encoders; names, bank and refinement can change without encoding it again.

    Attributes:
        grid: (h, w) patches of the backbone.
        text_features: (N, D) features of the image-text encoder on that grid, propagated along affinities.
        image_features: (D,) feature of the image-text encoder for the whole image.
        foreground: (N,) probability of belonging to an object, or None: the encoder cannot tell.
        appearance: Colour, place and texture of the patches in words, propagated likewise.
        tokens: (N, D) last-layer tokens of the backbone, as it gave them.
        affinity: Of the patches, from the tokens.
        prototype_features: For each space of prototypes, (N, D) unit-length features, not propagated.
        crop_features: (V, D) features of the image-text encoder for crops of the image, in the order of
            ``ovseg.pipeline.windows.crop_boxes``.
    """

    grid: tuple[int, int]
    text_features: Tensor
    image_features: Tensor
    foreground: Tensor | None
    appearance: PatchAppearance
    tokens: Tensor
    affinity: PatchAffinity
    prototype_features: dict[str, Tensor] = field(default_factory=dict)
    crop_features: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
