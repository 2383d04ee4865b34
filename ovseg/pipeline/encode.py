"""Encode images: from pixels to the features of every encoder of a preset, on one patch grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ovseg.config import EncodingConfig
from ovseg.encoders.base import Backbone, FeatureKey, FeatureSpace, ImageTextEncoder
from ovseg.encoders.presets import Preset
from ovseg.images.resize import resized
from ovseg.matching.affinity import PatchAffinity
from ovseg.matching.appearance import SAMPLES, PatchAppearance
from ovseg.matching.encoded_image import EncodedImage
from ovseg.pipeline.timer import Timer
from ovseg.pipeline.windows import SlidingWindowMerger, crop_boxes, crop_features, in_groups, window_boxes

__all__ = ["backbone_size", "encode_image", "encode_images"]


def backbone_size(height: int, width: int, patch: int, config: EncodingConfig) -> tuple[int, int]:
    """Return (H, W) in pixels, multiples of ``patch``, at which the backbone sees an image.

    The shorter side is ``image_size``; a very long image is scaled down until ``max_patches`` hold it, with
    at least one patch across.
    """
    scale = config.image_size / min(height, width)
    patches = (height * scale / patch) * (width * scale / patch)
    if patches > config.max_patches:
        scale *= math.sqrt(config.max_patches / patches)

    # Rounding must not carry the grid over the limit, which it would by a third where it is two patches
    # across.
    short = min(math.isqrt(config.max_patches), max(1, round(min(height, width) * scale / patch)))
    long = min(config.max_patches // short, max(1, round(max(height, width) * scale / patch)))
    rows, columns = (short, long) if height <= width else (long, short)
    return patch * rows, patch * columns


def encode_image(
    pixels: npt.NDArray[np.uint8],
    encoders: Preset,
    config: EncodingConfig,
    timer: Timer,
    spaces: Iterable[FeatureSpace] = (),
) -> EncodedImage:
    """Run the encoders of a preset on one image; see :func:`encode_images`."""
    return encode_images([pixels], encoders, config, timer, spaces)[0]


def encode_images(
    images: Sequence[npt.NDArray[np.uint8]],
    encoders: Preset,
    config: EncodingConfig,
    timer: Timer,
    spaces: Iterable[FeatureSpace] = (),
) -> list[EncodedImage]:
    """Run the encoders of a preset on images of any sizes, those of one size together.

    Args:
        images: (H, W, 3) uint8 RGB.
        encoders: A loaded preset.
        config: Sizes and affinity propagation.
        timer: Counts the seconds of the encoders' own forward passes.
        spaces: Of prototypes that the images are to be compared with.
    """
    if not images:
        return []
    patch = encoders.backbone.patch
    sizes = [backbone_size(pixels.shape[0], pixels.shape[1], patch, config) for pixels in images]
    grids = [(height // patch, width // patch) for height, width in sizes]
    spaces = tuple(spaces)

    last: FeatureKey = (-1, "token")
    proxy_keys = encoders.image_text.proxy_keys
    keys = dict.fromkeys([last, *((s.layer, s.facet) for s in spaces if s.role == "backbone"), *proxy_keys])
    backbone = _backbone_features(images, sizes, encoders, keys, timer)
    dense = [
        _DenseInput(pixels, size, grid, {key: found[key] for key in proxy_keys})
        for pixels, size, grid, (found, _) in zip(images, sizes, grids, backbone, strict=True)
    ]
    texts = _image_text_features(dense, encoders, config, timer)
    whole = _image_features(images, encoders, timer)
    crops = _crop_features(images, encoders, config.crops, timer)
    prototype_spaces = [s for s in spaces if s.role == "prototype_backbone"]
    prototype_backbone = _prototype_backbone_features(images, grids, encoders, prototype_spaces, timer)

    encoded = []
    for number, (pixels, grid) in enumerate(zip(images, grids, strict=True)):
        found, saliency = backbone[number]
        features = {s.name: found[s.layer, s.facet][0].flatten(0, 1) for s in spaces if s.role == "backbone"}
        features |= {s.name: texts[number] for s in spaces if s.role == "image_text"}
        features |= {name: values.flatten(0, 1) for name, values in prototype_backbone[number].items()}
        tokens = found[last][0].flatten(0, 1)
        affinity = PatchAffinity(tokens, config.affinity_scale)
        samples = resized(pixels, (grid[0] * SAMPLES, grid[1] * SAMPLES))
        encoded.append(
            EncodedImage(
                grid=grid,
                text_features=affinity.propagate(texts[number]),
                image_features=whole[number],
                foreground=None if saliency is None else F.adaptive_avg_pool2d(saliency, grid)[0].flatten(),
                appearance=PatchAppearance.of(samples).to(tokens.device).propagate(affinity),
                tokens=tokens,
                affinity=affinity,
                prototype_features={k: F.normalize(values.float(), dim=1) for k, values in features.items()},
                crop_features=crops[number],
            )
        )
    return encoded


def _backbone_features(
    images: Sequence[npt.NDArray[np.uint8]],
    sizes: Sequence[tuple[int, int]],
    encoders: Preset,
    keys: Iterable[FeatureKey],
    timer: Timer,
) -> list[tuple[dict[FeatureKey, torch.Tensor], torch.Tensor | None]]:
    """Return for each image (1, h, w, D) features of the backbone for each key, and (1, h', w') saliency."""
    result: list[Any] = [None] * len(images)
    for group, found in _by_size(images, sizes, encoders.backbone, encoders.device, keys, timer):
        with timer:
            saliency = encoders.backbone.saliency(found[-1, "token"])
        for row, number in enumerate(group):
            one = slice(row, row + 1)
            result[number] = (
                {key: values[one] for key, values in found.items()},
                None if saliency is None else saliency[one],
            )
    return result


def _prototype_backbone_features(
    images: Sequence[npt.NDArray[np.uint8]],
    grids: Sequence[tuple[int, int]],
    encoders: Preset,
    spaces: list[FeatureSpace],
    timer: Timer,
) -> list[dict[str, torch.Tensor]]:
    """Return for each image (h, w, D) features of the prototype backbone on the grid, for each space."""
    result: list[dict[str, torch.Tensor]] = [{} for _ in images]
    if not spaces:
        return result
    if encoders.prototype_backbone is None:
        raise ValueError(f"preset {encoders.name} has no encoder for the space {spaces[0].name}")
    patch = encoders.prototype_backbone.patch
    sizes = [(rows * patch, columns * patch) for rows, columns in grids]
    keys = dict.fromkeys((s.layer, s.facet) for s in spaces)
    for group, found in _by_size(images, sizes, encoders.prototype_backbone, encoders.device, keys, timer):
        for row, number in enumerate(group):
            result[number] = {s.name: found[s.layer, s.facet][row] for s in spaces}
    return result


def _by_size(
    images: Sequence[npt.NDArray[np.uint8]],
    sizes: Sequence[tuple[int, int]],
    encoder: Backbone,
    device: torch.device,
    keys: Iterable[FeatureKey],
    timer: Timer,
) -> Iterator[tuple[Sequence[int], dict[FeatureKey, torch.Tensor]]]:
    """Run an encoder on images of one size at a time; yield their numbers and their features for each key."""
    for group in in_groups(sizes):
        batch = torch.cat([_tensor(images[i], sizes[i], device) for i in group])
        with timer:
            found = encoder.encode(batch, keys)
        yield group, found


def _image_features(images: Sequence[npt.NDArray[np.uint8]], encoders: Preset, timer: Timer) -> torch.Tensor:
    """Return (B, D) features of the image-text encoder for the whole images, each made a square."""
    side = encoders.image_text.image_size
    squares = torch.cat([_tensor(pixels, (side, side), encoders.device) for pixels in images])
    with timer:
        return encoders.image_text.encode_image(squares)


def _crop_features(
    images: Sequence[npt.NDArray[np.uint8]], encoders: Preset, most: int, timer: Timer
) -> list[torch.Tensor]:
    """Return for each image (V, D) features of the image-text encoder for its crops."""
    result = []
    for pixels in images:
        boxes = crop_boxes(pixels.shape[0], pixels.shape[1], most)
        crops = [pixels[rows, columns] for rows, columns in boxes]
        result.append(_image_features(crops, encoders, timer) if crops else torch.zeros(0, 0))
    return result


@dataclass(frozen=True)
class _DenseInput:
    """What dense features of one image are made from.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        size: (H, W) in pixels at which the backbone sees it.
        grid: (h, w) patches of the backbone, on which the features are wanted.
        proxy_features: (1, h, w, D) features of the backbone that the dense variant needs.
    """

    pixels: npt.NDArray[np.uint8]
    size: tuple[int, int]
    grid: tuple[int, int]
    proxy_features: Mapping[FeatureKey, torch.Tensor]


def _image_text_features(
    inputs: Sequence[_DenseInput], encoders: Preset, config: EncodingConfig, timer: Timer
) -> list[torch.Tensor]:
    """Return for each image (N, D) features of the image-text encoder, the mean over its scales."""
    image_text = encoders.image_text
    totals: list[torch.Tensor] = []
    sides = config.scales or image_text.dense_scales
    for side in sides:
        scale = side / config.image_size
        scaled = []
        for image in inputs:
            height, width = (
                image_text.multiple * max(2, round(x * scale / image_text.multiple)) for x in image.size
            )
            scaled.append(_tensor(image.pixels, (height, width), encoders.device))
        patches = _windowed(inputs, scaled, image_text, config.window or image_text.window, timer)
        totals = [a + b for a, b in zip(totals, patches, strict=True)] if totals else patches
    if len(totals) != len(inputs):
        raise ValueError(f"encoder {type(image_text).__name__} names no sizes for dense features")
    return [total / len(sides) for total in totals]


def _windowed(
    inputs: Sequence[_DenseInput],
    scaled: Sequence[torch.Tensor],
    image_text: ImageTextEncoder,
    window: tuple[int, int] | None,
    timer: Timer,
) -> list[torch.Tensor]:
    """Return (N, D) dense features of each (1, 3, H, W) image at one scale, the mean over its windows.

    Windows of one size go through the encoder together, whichever image they are of. Linear features may be
    resampled before they are scored.
    """
    sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in scaled]
    crop, stride = _in_patches(window, image_text.multiple)
    jobs = [(number, box) for number, size in enumerate(sizes) for box in window_boxes(*size, crop, stride)]
    cropped = [
        {
            key: crop_features(values, box, sizes[number])
            for key, values in inputs[number].proxy_features.items()
        }
        for number, box in jobs
    ]
    mergers = [SlidingWindowMerger(image.grid, size) for image, size in zip(inputs, sizes, strict=True)]
    alike = [
        (box.size, *(values.shape for values in proxies.values()))
        for (_, box), proxies in zip(jobs, cropped, strict=True)
    ]
    for group in in_groups(alike):
        batch = torch.cat([jobs[job][1].cut(scaled[jobs[job][0]]) for job in group])
        batch_proxies = {
            key: torch.cat([cropped[job][key] for job in group]) for key in image_text.proxy_keys
        }
        with timer:
            dense = image_text.encode_dense(batch, batch_proxies)
        for job, features in zip(group, dense, strict=True):
            number, box = jobs[job]
            mergers[number].add(box, features)
    return [merger.mean().flatten(0, 1) for merger in mergers]


def _in_patches(window: tuple[int, int] | None, patch: int) -> tuple[int | None, int | None]:
    """Return crop and stride as whole patches."""
    if window is None:
        return None, None
    crop, stride = (patch * max(1, round(length / patch)) for length in window)
    return crop, stride


def _tensor(pixels: npt.NDArray[np.uint8], size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Return the (1, 3, H, W) float32 in [0, 1] of the image at another size, on the device."""
    image = torch.from_numpy(resized(pixels, size)).to(device)
    return image.permute(2, 0, 1)[None].float() / 255
