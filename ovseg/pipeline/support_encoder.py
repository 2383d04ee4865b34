"""Support images through the encoders: what is known of their patches, for regions and prototypes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ovseg.config import SegmentConfig
from ovseg.discovery.config import LAST_TOKENS
from ovseg.discovery.find import foreground_evidence
from ovseg.discovery.support import SupportEvidence
from ovseg.encoders.presets import Preset
from ovseg.pipeline.encode import EncodedImage, encode_image
from ovseg.pipeline.text_classifier import TextClassifier
from ovseg.pipeline.text_scores import text_scores
from ovseg.pipeline.timer import Timer
from ovseg.support.base import UNKNOWN, SupportImage

__all__ = ["CONTEXT", "EncodedSupport", "SupportEncoder", "annotation_on_grid"]

CONTEXT = ("tree", "sky", "building", "road", "person")
"""What usually stands around things (context elimination; ReCo, Shin et al., NeurIPS 2022, section 3.2)."""
KEPT = 32
"""Encoded images that are kept, since classes share photos where they come from one pool."""
_SAID = 0.25
"""Share of a patch's pixels that must be marked for the patch to count as marked."""


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
        config: How images are encoded.
        encode: Encodes in their stead, where somebody keeps encodings.
    """

    def __init__(
        self,
        encoders: Preset,
        classifier: TextClassifier,
        config: SegmentConfig,
        encode: Callable[[npt.NDArray[np.uint8]], EncodedImage] | None = None,
    ) -> None:
        self._encoders, self._named, self._config = encoders, classifier, config
        self._encode = encode or self._encode_anew
        self._timer = Timer(encoders.device)
        self._kept: OrderedDict[str, EncodedSupport] = OrderedDict()
        words = [{word.casefold() for word in spec.words} for spec in classifier.vocabulary.classes]
        self._context = [index for index, own in enumerate(words) if own & set(CONTEXT)]

    @torch.inference_mode()
    def see(self, image: SupportImage) -> EncodedSupport:
        """Encode an image, or remember it."""
        key = image.origin.sha256
        if key not in self._kept:
            encoded = self._encode(image.pixels)
            self._kept[key] = EncodedSupport(
                grid=encoded.grid,
                tokens=encoded.tokens.float().cpu(),
                features={name: values.cpu() for name, values in encoded.visual.items()},
                scores=text_scores(encoded, self._named, self._config).float().cpu(),
                foreground=self._objects(encoded),
            )
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    @staticmethod
    def _objects(encoded: EncodedImage) -> torch.Tensor:
        """(N,) in [0, 1], foreground evidence: the encoder's own, or that of the normalized cut.

        OVDiff looks for objects in its support pictures as well, with a model for it (section 3.2).
        """
        if encoded.foreground is not None:
            return encoded.foreground.float().cpu()
        patches = encoded.tokens.float().reshape(*encoded.grid, -1)
        return torch.from_numpy(foreground_evidence(patches, config=LAST_TOKENS)).flatten()

    def _encode_anew(self, pixels: npt.NDArray[np.uint8]) -> EncodedImage:
        return encode_image(pixels, self._encoders, self._config, self._timer, spaces=self._encoders.spaces)

    def evidence(self, seen: EncodedSupport, image: SupportImage, index: int) -> SupportEvidence:
        """What is known of an image's patches for the class at ``index``.

        Its probability is that of the text scores with foreground and appearance, all classes and background
        words
        competing: this finds stuff too, of which an encoder may have no picture.

        Tokens are those of the backbone where somebody marked the image, since what is grown stays
        within it; elsewhere those of the first space of prototypes, which compare across images.
        """
        marked = image.mark is not None
        tokens = seen.tokens if marked else seen.features[self._encoders.spaces[0].name]
        context = [1 + other for other in self._context if other != index]
        return SupportEvidence(
            tokens=tokens,
            grid=seen.grid,
            text=seen.scores[:, 1 + index],
            foreground=seen.foreground,
            attribution=None if image.attribution is None else on_grid(image.attribution, seen.grid),
            mark=None if image.mark is None else annotation_on_grid(image.mark, seen.grid),
            context=seen.scores[:, context].T if context else None,
        )


def on_grid(values: npt.NDArray[np.float32], grid: tuple[int, int]) -> torch.Tensor:
    """(H, W) map to (h * w,) means of the patches."""
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
    return F.adaptive_avg_pool2d(tensor, grid).flatten()


def annotation_on_grid(mark: npt.NDArray[np.uint8], grid: tuple[int, int]) -> torch.Tensor:
    """(H, W) mark to (h * w,) shares of the class among a patch's marked pixels.

    NaN where nothing is said of a patch, which is where fewer than a quarter of its pixels are marked (or
    fewer than in the best marked patch, for a mark so small that no patch has a quarter).
    """
    said = on_grid((mark != UNKNOWN).astype(np.float32), grid)
    inside = on_grid((mark == 1).astype(np.float32), grid)
    enough = said >= min(_SAID, float(said.max()))
    return torch.where(enough & (said > 0), inside / said.clamp(min=1e-9), torch.nan)
