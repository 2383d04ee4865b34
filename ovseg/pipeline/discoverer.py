"""Find objects without names: the encoder's features, through discovery, to masks of the photo's size."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.discovery import Discovery, DiscoveryConfig, at_size, discover_image
from ovseg.encoders.presets import LoadContext, Preset, PresetCard, choose_preset, preset_note
from ovseg.encoders.roles import ModelChoice
from ovseg.encoders.vit import Facet
from ovseg.images import ImageLike, as_pixels
from ovseg.images.resize import resized
from ovseg.memory import Allocator
from ovseg.outputs.objects import DISCOVERY
from ovseg.pipeline.timer import Timer
from ovseg.types import LabelMap
from ovseg.vocabulary import ClassSpec, Vocabulary

__all__ = ["Discoverer", "object_vocabulary"]

_log = logging.getLogger(__name__)

MAX_PATCHES = 512
"""Most patches along one side, for images that are all length."""


def object_vocabulary(count: int) -> Vocabulary:
    """The classes of a discovery run: ``object 1`` (the best) to ``object count``."""
    classes = tuple(ClassSpec(f"object {rank}", kind="thing") for rank in range(1, count + 1))
    return Vocabulary(classes, source=DISCOVERY)


class Discoverer:
    """Photos in, objects out; stands where a segmenter stands in a run.

    Example::

        from ovseg import Discoverer

        found = Discoverer("offline").discover("photo.jpg")
        [region.box for region in found.regions]  # best first

    Args:
        preset: A name from ``list_presets()``, or ``auto``: the best whose backbone is here. Or a preset
            that is open already. Only its backbone is used. Nothing is downloaded.
        config: How to find objects; by default what suits the backbone.
        note: One line on which preset was taken, where one is given that is loaded already.
        backbone: Spec of a visual encoder; no preset takes part then.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        cache_dir: Where converted weights are kept.

    Raises:
        UnknownName: No preset or model of that name.
        UsageError: No such device or dtype.
        WeightsUnavailable: Weights are missing or have another hash.
    """

    def __init__(
        self,
        preset: str | Preset = "auto",
        config: DiscoveryConfig | None = None,
        note: str = "",
        *,
        backbone: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        cache_dir: str | Path | None = None,
    ) -> None:
        if isinstance(preset, Preset):
            self.encoders, self.note = preset, note
        else:
            context = LoadContext.resolve(device, dtype, cache_dir)
            if backbone:
                card = PresetCard(f"none, --backbone {backbone}", "", ModelChoice(backbone=backbone))
                self.note = f"no preset, backbone {card.cards()[0].what}"
            else:
                card = choose_preset(preset, role="backbone")
                self.note = preset_note(preset, card, "backbone")
            _log.info("loading the backbone of preset %s on %s", card.name, context.device)
            self.encoders = Preset(card, context).load("backbone")
        self.config = config or DiscoveryConfig.for_encoder(self.encoders.backbone.family)
        self._timer = Timer(self.encoders.device)
        self._allocator = Allocator()

    @property
    def encoder_seconds(self) -> float:
        """Seconds spent in the encoder's forward passes so far."""
        return self._timer.seconds

    def describe(self) -> dict[str, Any]:
        """Preset, device, weights, settings: JSON-able, for run.json."""
        about = {"note": self.note, "config": {"discovery": self.config.to_dict()}}
        return self.encoders.describe("backbone") | about

    @torch.inference_mode()
    def encode(
        self, pixels: npt.NDArray[np.uint8], wanted: Iterable[tuple[int, Facet]]
    ) -> tuple[dict[tuple[int, Facet], torch.Tensor], torch.Tensor | None]:
        """Features (h, w, D) of layers and facets, and saliency (h', w'), of (H, W, 3) uint8 RGB pixels."""
        config, backbone = self.config, self.encoders.backbone
        rows, columns = grid_shape(pixels.shape[0], pixels.shape[1], backbone.patch, config.image_size)
        small = torch.from_numpy(resized(pixels, (rows * backbone.patch, columns * backbone.patch)))
        images = small.to(self.encoders.device).permute(2, 0, 1)[None].float() / 255
        with self._timer:
            found = backbone.encode(images, dict.fromkeys([*wanted, (-1, "token")]))
            saliency = backbone.saliency(found[(-1, "token")])
        first = {key: values[0] for key, values in found.items()}
        return first, None if saliency is None else saliency[0]

    def discover(self, image: ImageLike) -> Discovery:
        """Find the objects of an image; masks have its size (of files, at most 4 megapixels), best first.

        Args:
            image: A path, bytes, a file object, a Pillow image, an array or a tensor (see
                ``ovseg.images.as_image``).

        Raises:
            InputError: The image cannot be read or is none; the line says what to do.
        """
        plain = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.shape[2:] == (3,)
        pixels = np.asarray(image) if plain else as_pixels(image)
        key = (self.config.layer, self.config.facet)
        features, saliency = self.encode(pixels, [key])
        found = discover_image(features[key], saliency=saliency, config=self.config)
        photo = pixels if self.config.refine == "bilateral" else None
        pairs = [
            (region, measures)
            for region, measures in zip(
                at_size(found.regions, pixels.shape[:2], photo=photo), found.measures, strict=True
            )
            if region is not None
        ]
        return replace(found, regions=tuple(r for r, _ in pairs), measures=tuple(m for _, m in pairs))

    def segment_batch(
        self, images: Sequence[npt.NDArray[np.uint8]], vocabulary: Vocabulary
    ) -> list[LabelMap]:
        """Objects as label maps: ``i`` is the ``i``-th best, which lies above the ones after it.

        ``details`` have the ``regions`` themselves and the ``eigenvectors`` of the cuts, (h, w) each.
        """
        found = []
        for pixels in images:
            found.append(self._segmentation(pixels, vocabulary))
            self._allocator.trim()
        return found

    def _segmentation(self, pixels: npt.NDArray[np.uint8], vocabulary: Vocabulary) -> LabelMap:
        found = self.discover(pixels)
        labels = np.zeros(pixels.shape[:2], np.uint8)
        best = found.regions[0].score if found.regions else 0.0
        confidence = np.full(labels.shape, 1 - best, np.float16)
        for rank, region in reversed(list(enumerate(found.regions, start=1))):
            labels[region.mask] = rank
            confidence[region.mask] = region.score
        details = {"regions": found.regions, "eigenvectors": tuple(cut.vector for cut in found.cuts)}
        return LabelMap(labels, confidence, vocabulary.names, details=details)


def grid_shape(height: int, width: int, patch: int, side: int) -> tuple[int, int]:
    """Rows and columns of patches: as many as a square of ``side`` pixels has, in the image's proportions."""
    scale = side / math.sqrt(height * width) / patch
    return (
        min(MAX_PATCHES, max(1, round(height * scale))),
        min(MAX_PATCHES, max(1, round(width * scale))),
    )
