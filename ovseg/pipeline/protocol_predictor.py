"""The plain path of the field's protocols: windows through CLIP, a softmax over all words, and nothing else.

Everything that decides a figure is the protocol's: size, windows, templates, factor, threshold (see
`ovseg.evaluation.protocols`). What ovseg adds of its own (lexicon, foreground, appearance, refinement) has
no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ovseg.encoders.base import CosineEncoder
from ovseg.encoders.presets import Preset
from ovseg.errors import UsageError
from ovseg.evaluation.datasets.base import Dataset, Sample
from ovseg.evaluation.predictions import Prediction, load_pixels, match_vocabulary
from ovseg.evaluation.protocols import EvaluationProtocol
from ovseg.evaluation.soft_scores import decide
from ovseg.pipeline.timer import Timer
from ovseg.pipeline.windows import in_groups, window_boxes
from ovseg.vocabulary import Vocabulary

__all__ = ["ProtocolPredictor", "words_of"]

Pixels = npt.NDArray[np.uint8]
Padding = tuple[int, int, int, int]
"""Pixels added left, right, above and below."""


class ProtocolPredictor:
    """Predictions under a protocol; a :class:`ovseg.evaluation.predictions.Predictor`.

    Args:
        encoders: A preset whose image-text encoder is CLIP; the backbone gives proxy features where the
            variant asks.
        vocabulary: One class for each class of the data set (background not counted).
        dataset: What is predicted.
        protocol: With a crop.
        at_once: Windows in one pass; None: 4 on a CPU, 32 elsewhere.

    Raises:
        UsageError: The preset's words do not meet pictures by their cosine, or the vocabulary does not fit.
    """

    def __init__(
        self,
        encoders: Preset,
        vocabulary: Vocabulary,
        dataset: Dataset,
        protocol: EvaluationProtocol,
        *,
        at_once: int | None = None,
    ) -> None:
        image_text = encoders.image_text
        if not isinstance(image_text, CosineEncoder):
            raise UsageError(
                f"protocol {protocol.name} wants windows of {protocol.crop} px through CLIP, which preset"
                f" {encoders.name} has not: use protocol='ovseg' or a preset with CLIP",
                parameters=["protocol"],
            )
        vocabulary = match_vocabulary(vocabulary, dataset)
        words, self._owners = words_of(vocabulary, background=dataset.has_background)
        self._text = image_text.encode_words(words, protocol.templates)
        self._scale = protocol.scale or image_text.logit_scale
        self._fill = image_text.mean
        self._encoders, self._dataset, self._protocol = encoders, dataset, protocol
        self._at_once = at_once or (4 if encoders.device.type == "cpu" else 32)
        self._timer = Timer(encoders.device)

    @property
    def encoder_seconds(self) -> float:
        """Seconds spent in the encoders' forward passes so far."""
        return self._timer.seconds

    def describe(self) -> dict[str, Any]:
        """Preset, weights and how CLIP is read."""
        return {
            "kind": "protocol",
            **self._encoders.describe(),
            "image_text": self._encoders.image_text.describe(),
            "scale": self._scale,
        }

    def load(self, sample: Sample, size: tuple[int, int]) -> Pixels:
        """The photo; see ``load_pixels``."""
        return load_pixels(sample, size)

    def predict(self, inputs: Sequence[Pixels]) -> list[Prediction]:
        """Label (H, W, 3) uint8 RGB photos of any sizes; their windows go through the encoders together."""
        return [
            decide(
                cosines,
                (pixels.shape[0], pixels.shape[1]),
                logits=True,
                scale=self._scale,
                threshold=self._protocol.threshold,
                background=self._dataset.has_background,
                owners=self._owners,
            )
            for cosines, pixels in zip(self.cosines(inputs), inputs, strict=True)
        ]

    @torch.inference_mode()
    def cosines(self, inputs: Sequence[Pixels]) -> list[torch.Tensor]:
        """(T, H', W') float32 cosines with each word, at the protocol's size of each photo.

        Cosines of a window are resized bilinearly to its pixels, and averaged where windows overlap.
        """
        images = [self._resized(pixels) for pixels in inputs]
        sums = [torch.zeros(len(self._text), *image.shape[1:], device=image.device) for image in images]
        counts = [torch.zeros(image.shape[1:], device=image.device) for image in images]
        crop, stride = self._protocol.crop, self._protocol.stride
        jobs = [
            (index, box)
            for index, image in enumerate(images)
            for box in window_boxes(int(image.shape[1]), int(image.shape[2]), crop, stride)
        ]
        for group in in_groups([box.size for _, box in jobs], self._at_once):
            windows = [jobs[job] for job in group]
            padding = _padding(windows[0][1].size, self._protocol.pad_multiple)
            batch = torch.stack([self._padded(box.cut(images[index]), padding) for index, box in windows])
            for (index, box), window in zip(windows, self._window_cosines(batch), strict=True):
                left, _, above, _ = padding
                height, width = box.size
                box.cut(sums[index])[:] += window[:, above : above + height, left : left + width]
                box.cut(counts[index])[:] += 1
        return [total / count for total, count in zip(sums, counts, strict=True)]

    def _window_cosines(self, batch: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) windows to (B, T, H, W)."""
        image_text, backbone = self._encoders.image_text, self._encoders.backbone
        with self._timer:
            keys = image_text.proxy_keys
            proxies = backbone.encode(_fitted(batch, backbone.patch), keys) if keys else {}
            features = image_text.encode_dense(_fitted(batch, image_text.multiple), proxies)
        cosines = (features @ self._text.T).permute(0, 3, 1, 2)
        return F.interpolate(cosines, size=batch.shape[-2:], mode="bilinear", align_corners=False)

    def _resized(self, pixels: Pixels) -> torch.Tensor:
        """(3, H', W') float32 in [0, 1], bilinear without antialiasing, in whole levels, as mmcv resizes."""
        image = torch.from_numpy(pixels).to(self._encoders.device).permute(2, 0, 1)[None].float()
        size = protocol_size(pixels.shape[0], pixels.shape[1], self._protocol)
        if size != tuple(image.shape[-2:]):
            image = F.interpolate(image, size=size, mode="bilinear", align_corners=False).round()
        return image[0] / 255

    def _padded(self, window: torch.Tensor, padding: Padding) -> torch.Tensor:
        """The window in a frame of the colour that CLIP does not see (zero after its normalization)."""
        if not any(padding):
            return window
        planes = zip(window, self._fill, strict=True)
        return torch.stack([F.pad(plane, padding, value=value) for plane, value in planes])


def words_of(vocabulary: Vocabulary, *, background: bool) -> tuple[list[str], torch.Tensor]:
    """All words of a vocabulary and the data set's index of the class that each belongs to.

    Args:
        vocabulary: Its classes come in order; a word that two classes share counts for both.
        background: Whether index 0 is background, whose words come first.

    Returns:
        T words, and (T,) uint8.
    """
    groups = [spec.words for spec in vocabulary.classes]
    if background:
        groups.insert(0, vocabulary.background)
    words = [word for group in groups for word in group]
    owners = [index for index, group in enumerate(groups) for _ in group]
    return words, torch.tensor(owners, dtype=torch.uint8)


def protocol_size(height: int, width: int, protocol: EvaluationProtocol) -> tuple[int, int]:
    """(H', W') with the protocol's shorter side, unless the longer one would pass its limit (mmcv's rule)."""
    if protocol.shorter_side is None:
        return height, width
    scale = protocol.shorter_side / min(height, width)
    if protocol.longer_side is not None:
        scale = min(scale, protocol.longer_side / max(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def _padding(size: tuple[int, int], multiple: int | None) -> Padding:
    """What brings both sides to a multiple, half of it before and half behind."""
    if multiple is None:
        return (0, 0, 0, 0)
    above, left = (-length % multiple for length in size)
    return (left // 2, left - left // 2, above // 2, above - above // 2)


def _fitted(batch: torch.Tensor, multiple: int) -> torch.Tensor:
    """The batch with sides that are multiples of an encoder's patch: the nearest, where they are not."""
    size = tuple(max(1, round(length / multiple)) * multiple for length in batch.shape[-2:])
    if size == tuple(batch.shape[-2:]):
        return batch
    return F.interpolate(batch, size=size, mode="bilinear", align_corners=False)
