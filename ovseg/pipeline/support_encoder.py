"""Encode support images: features and evidence of their patches, for regions and prototypes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ovseg.config import EncodingConfig, FusionConfig
from ovseg.discovery.config import LAST_TOKENS
from ovseg.discovery.find import foreground_evidence
from ovseg.discovery.support import SupportEvidence
from ovseg.encoders.presets import Preset
from ovseg.matching.encoded_image import EncodedImage
from ovseg.matching.prompts import TextClassifier
from ovseg.matching.text_scores import text_scores
from ovseg.memory import BoundedCache
from ovseg.pipeline.bank_build import Encode
from ovseg.pipeline.encode import encode_image
from ovseg.pipeline.timer import Timer
from ovseg.support.base import UNKNOWN, SupportImage

__all__ = ["CONTEXT", "EncodedSupport", "SupportEncoder", "annotation_on_grid"]

CONTEXT = ("tree", "sky", "building", "road", "person")
"""What usually stands around things (context elimination; ReCo, Shin et al., NeurIPS 2022, section 3.2)."""
KEPT = 32
"""Encoded images that are kept, since classes share photos where they come from one pool."""
_ANNOTATED = 0.25
"""Share of a patch's pixels that must be annotated for the patch to count as annotated."""


@dataclass(frozen=True)
class EncodedSupport:
    """An encoded support image.

    Attributes:
        grid: (h, w).
        tokens: (N, D) last-layer tokens of the backbone.
        features: By space, (N, D) unit-length features.
        scores: (N, K + 1) of background and classes: names, foreground and appearance together.
        foreground: (N,) in [0, 1], evidence for belonging to an object.
    """

    grid: tuple[int, int]
    tokens: torch.Tensor
    features: dict[str, torch.Tensor]
    scores: torch.Tensor
    foreground: torch.Tensor


class SupportEncoder:
    """Encodes support images, each once as long as few others come between.

    Args:
        encoders: A loaded preset with spaces of prototypes.
        classifier: All classes of the bank, which compete for every patch.
        encoding: How images are encoded.
        fusion: How their text scores come about.
        encode: Encodes in the encoders' stead, where encodings are kept.
    """

    def __init__(
        self,
        encoders: Preset,
        classifier: TextClassifier,
        encoding: EncodingConfig,
        fusion: FusionConfig,
        encode: Encode | None = None,
    ) -> None:
        self._encoders, self._classifier = encoders, classifier
        self._encoding, self._fusion = encoding, fusion
        self._encode = encode or self._encode_anew
        self._timer = Timer(encoders.device)
        self._kept: BoundedCache[EncodedSupport] = BoundedCache(KEPT)
        words = [{word.casefold() for word in spec.words} for spec in classifier.vocabulary.classes]
        self._context = [index for index, own in enumerate(words) if own & set(CONTEXT)]

    def encode(self, image: SupportImage) -> EncodedSupport:
        """Encode an image, or take it from the last ones that were encoded."""
        return self._kept.get(image.origin.sha256, lambda: self._encoded(image))

    @torch.inference_mode()
    def _encoded(self, image: SupportImage) -> EncodedSupport:
        encoded = self._encode(image.pixels)
        return EncodedSupport(
            grid=encoded.grid,
            tokens=encoded.tokens.float().cpu(),
            features={name: values.cpu() for name, values in encoded.prototype_features.items()},
            scores=text_scores(encoded, self._classifier, self._fusion).float().cpu(),
            foreground=self._foreground(encoded),
        )

    @staticmethod
    def _foreground(encoded: EncodedImage) -> torch.Tensor:
        """Return (N,) in [0, 1], foreground evidence: the encoder's own, or that of the normalized cut.

        OVDiff looks for objects in its support pictures as well, with a model for it (section 3.2).
        """
        if encoded.foreground is not None:
            return encoded.foreground.float().cpu()
        patches = encoded.tokens.float().reshape(*encoded.grid, -1)
        return torch.from_numpy(foreground_evidence(patches, config=LAST_TOKENS)).flatten()

    def _encode_anew(self, pixels: npt.NDArray[np.uint8]) -> EncodedImage:
        return encode_image(pixels, self._encoders, self._encoding, self._timer, self._encoders.spaces)

    def evidence(self, encoded: EncodedSupport, image: SupportImage, index: int) -> SupportEvidence:
        """Return what is known of an image's patches for the class at ``index``.

        Its probability is its text score, all classes and background words competing: this finds stuff too,
        of which an encoder may have no picture.

        Tokens are those of the backbone where the image is annotated, since what is grown stays within it;
        elsewhere those of the first space of prototypes, which compare across images.
        """
        annotated = image.mark is not None
        tokens = encoded.tokens if annotated else encoded.features[self._encoders.spaces[0].name]
        context = [1 + other for other in self._context if other != index]
        return SupportEvidence(
            tokens=tokens,
            grid=encoded.grid,
            text=encoded.scores[:, 1 + index],
            foreground=encoded.foreground,
            attribution=None if image.attribution is None else on_grid(image.attribution, encoded.grid),
            mark=None if image.mark is None else annotation_on_grid(image.mark, encoded.grid),
            context=encoded.scores[:, context].T if context else None,
        )


def on_grid(values: npt.NDArray[np.float32], grid: tuple[int, int]) -> torch.Tensor:
    """Return the (h * w,) means of the patches of an (H, W) map."""
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
    return F.adaptive_avg_pool2d(tensor, grid).flatten()


def annotation_on_grid(mark: npt.NDArray[np.uint8], grid: tuple[int, int]) -> torch.Tensor:
    """Return the (h * w,) share of the class among each patch's annotated pixels of an (H, W) annotation.

    NaN for a patch without annotation, which is one with fewer than a quarter of its pixels annotated (or
    fewer than in the best patch, for an annotation so small that no patch has a quarter).
    """
    annotated = on_grid((mark != UNKNOWN).astype(np.float32), grid)
    inside = on_grid((mark == 1).astype(np.float32), grid)
    enough = annotated >= min(_ANNOTATED, float(annotated.max()))
    return torch.where(enough & (annotated > 0), inside / annotated.clamp(min=1e-9), torch.nan)
