"""Encode images for all three questions at once: which words, what shape, what looks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ovseg.config import SegmentConfig
from ovseg.encoders.base import Backbone, FeatureKey, FeatureSpace, ImageTextEncoder
from ovseg.encoders.presets import Preset
from ovseg.images.resize import resized
from ovseg.matching.appearance import SAMPLES, PatchAppearance
from ovseg.pipeline.multi_crop import crop_boxes
from ovseg.pipeline.timer import Timer
from ovseg.pipeline.windows import SlidingWindowMerger, crop_features, in_groups, window_boxes
from ovseg.refinement import softmax_affinity


@dataclass(frozen=True)
class EncodedImage:
    """All that is asked of an image's encoders; names, bank and refinement can change without it.

    Attributes:
        grid: (h, w) patches of the backbone.
        text: (N, D) features of the image-text encoder on that grid, spread along affinities.
        whole: (D,) feature of the image-text encoder for the whole image.
        foreground: (N,) probability of belonging to an object, or None: the encoder cannot tell.
        appearance: The patches in words, spread likewise.
        tokens: (N, D) last-layer tokens of the backbone, as it gave them.
        visual: For each space of prototypes, (N, D) unit-length features, not spread.
        crops: (V, D) features of the image-text encoder for crops of the image
            (``ovseg.pipeline.multi_crop``).
    """

    grid: tuple[int, int]
    text: torch.Tensor
    whole: torch.Tensor
    foreground: torch.Tensor | None
    appearance: PatchAppearance
    tokens: torch.Tensor
    visual: dict[str, torch.Tensor] = field(default_factory=dict)
    crops: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0))


def backbone_size(height: int, width: int, patch: int, config: SegmentConfig) -> tuple[int, int]:
    """(H, W) in pixels, multiples of ``patch``, at which the backbone sees an image.

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
    config: SegmentConfig,
    timer: Timer,
    spaces: Iterable[FeatureSpace] = (),
) -> EncodedImage:
    """Run the encoders of a preset on one image; see :func:`encode_images`."""
    return encode_images([pixels], encoders, config, timer, spaces)[0]


def encode_images(
    images: Sequence[npt.NDArray[np.uint8]],
    encoders: Preset,
    config: SegmentConfig,
    timer: Timer,
    spaces: Iterable[FeatureSpace] = (),
) -> list[EncodedImage]:
    """Run the encoders of a preset on images of any sizes, those of one size together.

    Args:
        images: (H, W, 3) uint8 RGB.
        encoders: A loaded preset.
        config: Sizes and spreading.
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
    shapes = _backbone_features(images, sizes, encoders, keys, timer)
    proxies = [{key: found[key] for key in proxy_keys} for found, _ in shapes]
    texts = _image_text_features(images, sizes, grids, proxies, encoders, config, timer)
    wholes = _image_features(images, encoders, timer)
    crops = _crop_features(images, encoders, config.crops, timer)
    prototype_found = _prototype_backbone_features(
        images, grids, encoders, [s for s in spaces if s.role == "prototype_backbone"], timer
    )

    encoded = []
    for number, (pixels, grid) in enumerate(zip(images, grids, strict=True)):
        found, saliency = shapes[number]
        text = texts[number]
        visual = {s.name: found[s.layer, s.facet][0].flatten(0, 1) for s in spaces if s.role == "backbone"}
        visual |= {s.name: text for s in spaces if s.role == "image_text"}
        visual |= {name: values.flatten(0, 1) for name, values in prototype_found[number].items()}
        tokens = found[last][0].flatten(0, 1)
        seen = PatchAppearance.of(resized(pixels, (grid[0] * SAMPLES, grid[1] * SAMPLES))).to(text.device)
        if config.affinity_scale > 0:
            affinity = softmax_affinity(tokens, config.affinity_scale)
            text = affinity @ text
            seen = seen.spread(affinity)
        encoded.append(
            EncodedImage(
                grid=grid,
                text=text,
                whole=wholes[number],
                foreground=None if saliency is None else F.adaptive_avg_pool2d(saliency, grid)[0].flatten(),
                appearance=seen,
                tokens=tokens,
                visual={name: F.normalize(values.float(), dim=1) for name, values in visual.items()},
                crops=crops[number],
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
    """For each image (1, h, w, D) features of the backbone for each key, and (1, h', w') saliency."""
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
    """For each image (h, w, D) features of the prototype backbone on the backbone's grid, for each space."""
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
    """Run an encoder on images of one size at a time: their numbers, and their features for each key."""
    for group in in_groups(sizes):
        batch = torch.cat([_tensor(images[i], sizes[i], device) for i in group])
        with timer:
            found = encoder.encode(batch, keys)
        yield group, found


def _image_features(images: Sequence[npt.NDArray[np.uint8]], encoders: Preset, timer: Timer) -> torch.Tensor:
    """(B, D) features of the image-text encoder for the whole images, each made a square."""
    side = encoders.image_text.image_size
    squares = torch.cat([_tensor(pixels, (side, side), encoders.device) for pixels in images])
    with timer:
        return encoders.image_text.encode_image(squares)


def _crop_features(
    images: Sequence[npt.NDArray[np.uint8]], encoders: Preset, most: int, timer: Timer
) -> list[torch.Tensor]:
    """For each image (V, D) features of the image-text encoder for its crops."""
    result = []
    for pixels in images:
        boxes = crop_boxes(pixels.shape[0], pixels.shape[1], most)
        pieces = [pixels[rows, columns] for rows, columns in boxes]
        result.append(_image_features(pieces, encoders, timer) if pieces else torch.zeros(0, 0))
    return result


def _image_text_features(
    images: Sequence[npt.NDArray[np.uint8]],
    sizes: Sequence[tuple[int, int]],
    grids: Sequence[tuple[int, int]],
    proxies: Sequence[Mapping[FeatureKey, torch.Tensor]],
    encoders: Preset,
    config: SegmentConfig,
    timer: Timer,
) -> list[torch.Tensor]:
    """For each image (N, D) features of the image-text encoder, the mean over its scales."""
    image_text = encoders.image_text
    totals: list[torch.Tensor] = []
    sides = config.scales or image_text.dense_scales
    for side in sides:
        scale = side / config.image_size
        scaled = []
        for pixels, like in zip(images, sizes, strict=True):
            height, width = (
                image_text.multiple * max(2, round(x * scale / image_text.multiple)) for x in like
            )
            scaled.append(_tensor(pixels, (height, width), encoders.device))
        patches = _windowed(scaled, grids, proxies, image_text, config.window or image_text.window, timer)
        totals = [a + b for a, b in zip(totals, patches, strict=True)] if totals else patches
    if len(totals) != len(images):
        raise ValueError(f"encoder {type(image_text).__name__} names no sizes for dense features")
    return [total / len(sides) for total in totals]


def _windowed(
    images: Sequence[torch.Tensor],
    grids: Sequence[tuple[int, int]],
    proxies: Sequence[Mapping[FeatureKey, torch.Tensor]],
    image_text: ImageTextEncoder,
    window: tuple[int, int] | None,
    timer: Timer,
) -> list[torch.Tensor]:
    """(N, D) dense features of each (1, 3, H, W) image at one scale, the mean over its windows.

    Windows of one size go through the encoder together, whichever image they are of. Linear features may be
    resampled before they are scored.
    """
    sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
    crop, stride = _in_patches(window, image_text.multiple)
    jobs = [(number, box) for number, size in enumerate(sizes) for box in window_boxes(*size, crop, stride)]
    seen = [
        {key: crop_features(proxies[number][key], box, sizes[number]) for key in image_text.proxy_keys}
        for number, box in jobs
    ]
    mergers = [SlidingWindowMerger(grid, size) for grid, size in zip(grids, sizes, strict=True)]
    alike = [
        (box.size, *(proxy.shape for proxy in crops.values()))
        for (_, box), crops in zip(jobs, seen, strict=True)
    ]
    for group in in_groups(alike):
        batch = torch.cat([jobs[job][1].cut(images[jobs[job][0]]) for job in group])
        proxy = {key: torch.cat([seen[job][key] for job in group]) for key in image_text.proxy_keys}
        with timer:
            dense = image_text.encode_dense(batch, proxy)
        for job, features in zip(group, dense, strict=True):
            number, box = jobs[job]
            mergers[number].add(box, features)
    return [merger.mean().flatten(0, 1) for merger in mergers]


def _in_patches(window: tuple[int, int] | None, patch: int) -> tuple[int | None, int | None]:
    """Crop and stride as whole patches."""
    if window is None:
        return None, None
    crop, stride = (patch * max(1, round(length / patch)) for length in window)
    return crop, stride


def _tensor(pixels: npt.NDArray[np.uint8], size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """(1, 3, H, W) float32 in [0, 1] of the image at another size, on the device."""
    image = torch.from_numpy(resized(pixels, size)).to(device)
    return image.permute(2, 0, 1)[None].float() / 255
