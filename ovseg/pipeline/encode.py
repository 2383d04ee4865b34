"""Encode one image for all three questions at once: which words, what shape, what looks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ovseg.config import SegmentConfig
from ovseg.encoders.base import GuideKey, ImageTextEncoder, Space
from ovseg.encoders.presets import Encoders
from ovseg.encoders.vit import Facet
from ovseg.images.resize import resized
from ovseg.matching.looks import SAMPLES, Looks
from ovseg.pipeline.stopwatch import Stopwatch
from ovseg.pipeline.windows import Mosaic, by_size, crop_guide, window_boxes
from ovseg.refinement import spread_affinity


@dataclass(frozen=True)
class EncodedImage:
    """All that is asked of an image's encoders; names, bank and refinement can change without it.

    Attributes:
        grid: (h, w) cells of the shape encoder.
        text: (N, D) features of the *names* role on that grid, spread along affinities.
        whole: (D,) feature of the *names* role for the whole image.
        foreground: (N,) probability of belonging to an object, or None: the encoder cannot tell.
        looks: The cells in words, spread likewise.
        tokens: (N, D) last-layer tokens of the shape encoder, as it gave them.
        visual: For each space of prototypes, (N, D) unit-length features, not spread.
    """

    grid: tuple[int, int]
    text: torch.Tensor
    whole: torch.Tensor
    foreground: torch.Tensor | None
    looks: Looks
    tokens: torch.Tensor
    visual: dict[str, torch.Tensor] = field(default_factory=dict)


def shape_size(height: int, width: int, patch: int, config: SegmentConfig) -> tuple[int, int]:
    """(H, W) in pixels, multiples of ``patch``, at which the shape encoder sees an image.

    The shorter side is ``image_size``; a very long image is scaled down until ``max_cells`` hold it, with at
    least one cell across.
    """
    scale = config.image_size / min(height, width)
    cells = (height * scale / patch) * (width * scale / patch)
    if cells > config.max_cells:
        scale *= math.sqrt(config.max_cells / cells)

    # Rounding must not carry the grid over the limit, which it would by a third where it is two cells across.
    short = min(math.isqrt(config.max_cells), max(1, round(min(height, width) * scale / patch)))
    long = min(config.max_cells // short, max(1, round(max(height, width) * scale / patch)))
    rows, columns = (short, long) if height <= width else (long, short)
    return patch * rows, patch * columns


def encode_image(
    pixels: npt.NDArray[np.uint8],
    encoders: Encoders,
    config: SegmentConfig,
    watch: Stopwatch,
    spaces: Iterable[Space] = (),
) -> EncodedImage:
    """Run the encoders of a preset on one image.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        encoders: A loaded preset.
        config: Sizes and spreading.
        watch: Counts the seconds of the encoders' own forward passes.
        spaces: Of prototypes that the image is to be compared with.
    """
    height, width = pixels.shape[:2]
    patch = encoders.shape.patch
    size = shape_size(height, width, patch, config)
    grid = (size[0] // patch, size[1] // patch)
    spaces = tuple(spaces)

    last: tuple[int, Facet] = (-1, "token")
    image = _tensor(pixels, size, encoders.device)
    guide_keys = encoders.names.guide
    wanted = [last, *((s.layer, s.facet) for s in spaces if s.role == "shape"), *guide_keys]
    with watch:
        found = encoders.shape.encode(image, dict.fromkeys(wanted))
        saliency = encoders.shape.saliency(found[last])
    tokens = found[last][0].flatten(0, 1)
    guide = {key: found[key] for key in guide_keys}
    text, whole = _text_features(pixels, grid, guide, encoders, config, watch)
    visual = {s.name: found[s.layer, s.facet] for s in spaces if s.role == "shape"}
    visual |= {s.name: text.reshape(1, *grid, -1) for s in spaces if s.role == "names"}
    visual |= _look_features(pixels, grid, encoders, [s for s in spaces if s.role == "look"], watch)
    looks = Looks.of(resized(pixels, (grid[0] * SAMPLES, grid[1] * SAMPLES))).to(text.device)
    if config.spread > 0:
        affinity = spread_affinity(tokens, config.spread)
        text = affinity @ text
        looks = looks.spread(affinity)
    return EncodedImage(
        grid=grid,
        text=text,
        whole=whole,
        foreground=None if saliency is None else F.adaptive_avg_pool2d(saliency, grid)[0].flatten(),
        looks=looks,
        tokens=tokens,
        visual={name: F.normalize(values[0].float().flatten(0, 1), dim=1) for name, values in visual.items()},
    )


def _look_features(
    pixels: npt.NDArray[np.uint8],
    grid: tuple[int, int],
    encoders: Encoders,
    spaces: list[Space],
    watch: Stopwatch,
) -> dict[str, torch.Tensor]:
    """(1, h, w, D) features of the *look* encoder on the shape encoder's grid."""
    if not spaces:
        return {}
    if encoders.look is None:
        raise ValueError(f"preset {encoders.preset} has no encoder for the space {spaces[0].name}")
    patch = encoders.look.patch
    image = _tensor(pixels, (grid[0] * patch, grid[1] * patch), encoders.device)
    with watch:
        found = encoders.look.encode(image, dict.fromkeys((s.layer, s.facet) for s in spaces))
    return {s.name: found[s.layer, s.facet] for s in spaces}


def _text_features(
    pixels: npt.NDArray[np.uint8],
    grid: tuple[int, int],
    guide: Mapping[GuideKey, torch.Tensor],
    encoders: Encoders,
    config: SegmentConfig,
    watch: Stopwatch,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, D) features of the *names* role, the mean over its scales, and (D,) of the whole image."""
    height, width = pixels.shape[:2]
    names = encoders.names
    total: torch.Tensor | None = None
    for side in names.dense_sides:
        scale = side / config.image_size
        like = shape_size(height, width, encoders.shape.patch, config)
        size = tuple(names.multiple * max(2, round(length * scale / names.multiple)) for length in like)
        image = _tensor(pixels, (size[0], size[1]), encoders.device)
        cells = _windowed(image, grid, guide, names, watch)
        total = cells if total is None else total + cells
    if total is None:
        raise ValueError(f"encoder {type(names).__name__} names no sizes for dense features")
    square = _tensor(pixels, (names.image_side, names.image_side), encoders.device)
    with watch:
        whole = names.encode_image(square)[0]
    return total / len(names.dense_sides), whole


def _windowed(
    image: torch.Tensor,
    grid: tuple[int, int],
    guide: Mapping[GuideKey, torch.Tensor],
    names: ImageTextEncoder,
    watch: Stopwatch,
) -> torch.Tensor:
    """(N, D) dense features of a (1, 3, H, W) image at one scale, the mean over its windows.

    Linear features may be resampled before they are scored.
    """
    size = (int(image.shape[-2]), int(image.shape[-1]))
    crop, stride = _in_cells(names)
    boxes = window_boxes(*size, crop, stride)
    mosaic = Mosaic(grid, size)
    for group in by_size(boxes):
        batch = torch.cat([box.cut(image) for box in group])
        seen = {
            key: torch.cat([crop_guide(features, box, size) for box in group])
            for key, features in guide.items()
        }
        with watch:
            dense = names.encode_dense(batch, seen)
        for box, features in zip(group, dense, strict=True):
            mosaic.add(box, features)
    return mosaic.mean().flatten(0, 1)


def _in_cells(names: ImageTextEncoder) -> tuple[int | None, int | None]:
    """Crop and stride as whole cells."""
    if names.window is None:
        return None, None
    crop, stride = (names.multiple * max(1, round(length / names.multiple)) for length in names.window)
    return crop, stride


def _tensor(pixels: npt.NDArray[np.uint8], size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """(1, 3, H, W) float32 in [0, 1] of the image at another size, on the device."""
    image = torch.from_numpy(resized(pixels, size)).to(device)
    return image.permute(2, 0, 1)[None].float() / 255
