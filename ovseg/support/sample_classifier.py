"""Is a support image any good? What it shows, to the image-text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ovseg.encoders.base import ImageTextEncoder
from ovseg.images.resize import resized
from ovseg.matching.prompts import prompt_table
from ovseg.vocabulary import ClassSpec, Vocabulary
from ovseg.vocabulary.lexicon import background_words, enrich

__all__ = ["ClassPrediction", "SampleClassifier"]

_LEAST = 1e-12
"""Least probability of a word."""


@dataclass(frozen=True)
class ClassPrediction:
    """What an image shows.

    Attributes:
        margin: How much better the class fits the image than the best other word does: the logarithm of the
            ratio of their probabilities. Above 0 the class is the best.
        rank: Place of the class among all words, from 1.
        rival: The best other word.
    """

    margin: float
    rank: int
    rival: str


class SampleClassifier:
    """Compares whole images with the names of a vocabulary and with background words.

    Classes have the prompts that they have when photos are segmented: names, synonyms and attributes, those
    of the lexicon among them. Without these, words of which the encoder has no picture (person) hardly pass.

    Args:
        image_text: Encoder of images and texts.
        classes: The vocabulary.
        device: Where the encoder computes.
        background: Words for what is no class; none: the shipped ones.
    """

    def __init__(
        self,
        image_text: ImageTextEncoder,
        classes: Sequence[ClassSpec],
        device: torch.device,
        background: Sequence[str] = (),
    ) -> None:
        self._image_text = image_text
        self._device = device
        taken = {spec.name.casefold() for spec in classes}
        words = [ClassSpec(word) for word in background or background_words() if word.casefold() not in taken]
        with torch.inference_mode():
            # Only words make prompts; kind and looks, which the nearest entry would lend, play no part here.
            known = enrich((*classes, *words), None)
            table = prompt_table(
                Vocabulary(known[: len(classes)]), [ClassSpec(spec.name) for spec in known[len(classes) :]]
            )
            self._table = table
            self._head = image_text.prompt_head(table.prompts)
        self._index = {spec.name: index for index, spec in enumerate(table.groups)}

    @torch.inference_mode()
    def sample_classifier(self, pixels: npt.NDArray[np.uint8], name: str) -> ClassPrediction:
        """Compare an image with a class of the vocabulary.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            name: Name of the class.
        """
        side = self._image_text.image_size
        image = torch.from_numpy(np.asarray(resized(pixels, (side, side)))).to(self._device)
        feature = self._image_text.encode_image(image.permute(2, 0, 1)[None].float() / 255)[0]
        fit = torch.log(self._table.by_group(self._head(feature)).clamp(min=_LEAST)).cpu()
        index = self._index[name]
        own = float(fit[index])
        rank = int((fit > own).sum()) + 1
        fit[index] = -torch.inf
        best = int(fit.argmax())
        return ClassPrediction(own - float(fit[best]), rank, self._table.groups[best].name)
