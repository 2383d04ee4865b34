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
from ovseg.encoders.base import GuideKey, ImageTextEncoder, ShapeEncoder, Space
from ovseg.encoders.presets import Encoders
from ovseg.images.resize import resized
from ovseg.matching.looks import SAMPLES, Looks
from ovseg.pipeline.presence import crop_boxes
from ovseg.pipeline.stopwatch import Stopwatch
from ovseg.pipeline.windows import Mosaic, crop_guide, in_groups, window_boxes
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
        crops: (V, D) features of the *names* role for crops of the image (``ovseg.pipeline.presence``).
    """

    grid: tuple[int, int]
    text: torch.Tensor
    whole: torch.Tensor
    foreground: torch.Tensor | None
    looks: Looks
    tokens: torch.Tensor
    visual: dict[str, torch.Tensor] = field(default_factory=dict)
    crops: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0))


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
    """Run the encoders of a preset on one image; see :func:`encode_images`."""
    return encode_images([pixels], encoders, config, watch, spaces)[0]


def encode_images(
    images: Sequence[npt.NDArray[np.uint8]],
    encoders: Encoders,
    config: SegmentConfig,
    watch: Stopwatch,
    spaces: Iterable[Space] = (),
) -> list[EncodedImage]:
    """Run the encoders of a preset on images of any sizes, those of one size together.

    Args:
        images: (H, W, 3) uint8 RGB.
        encoders: A loaded preset.
        config: Sizes and spreading.
        watch: Counts the seconds of the encoders' own forward passes.
        spaces: Of prototypes that the images are to be compared with.
    """
    if not images:
        return []
    patch = encoders.shape.patch
    sizes = [shape_size(pixels.shape[0], pixels.shape[1], patch, config) for pixels in images]
    grids = [(height // patch, width // patch) for height, width in sizes]
    spaces = tuple(spaces)

    last: GuideKey = (-1, "token")
    guide_keys = encoders.names.guide
    keys = dict.fromkeys([last, *((s.layer, s.facet) for s in spaces if s.role == "shape"), *guide_keys])
    shapes = _shape_features(images, sizes, encoders, keys, watch)
    guides = [{key: found[key] for key in guide_keys} for found, _ in shapes]
    texts = _text_features(images, sizes, grids, guides, encoders, config, watch)
    wholes = _whole_features(images, encoders, watch)
    crops = _crop_features(images, encoders, config.crops, watch)
    looks = _look_features(images, grids, encoders, [s for s in spaces if s.role == "look"], watch)

    encoded = []
    for number, (pixels, grid) in enumerate(zip(images, grids, strict=True)):
        found, saliency = shapes[number]
        text = texts[number]
        visual = {s.name: found[s.layer, s.facet][0].flatten(0, 1) for s in spaces if s.role == "shape"}
        visual |= {s.name: text for s in spaces if s.role == "names"}
        visual |= {name: values.flatten(0, 1) for name, values in looks[number].items()}
        tokens = found[last][0].flatten(0, 1)
        seen = Looks.of(resized(pixels, (grid[0] * SAMPLES, grid[1] * SAMPLES))).to(text.device)
        if config.spread > 0:
            affinity = spread_affinity(tokens, config.spread)
            text = affinity @ text
            seen = seen.spread(affinity)
        encoded.append(
            EncodedImage(
                grid=grid,
                text=text,
                whole=wholes[number],
                foreground=None if saliency is None else F.adaptive_avg_pool2d(saliency, grid)[0].flatten(),
                looks=seen,
                tokens=tokens,
                visual={name: F.normalize(values.float(), dim=1) for name, values in visual.items()},
                crops=crops[number],
            )
        )
    return encoded


def _shape_features(
    images: Sequence[npt.NDArray[np.uint8]],
    sizes: Sequence[tuple[int, int]],
    encoders: Encoders,
    keys: Iterable[GuideKey],
    watch: Stopwatch,
) -> list[tuple[dict[GuideKey, torch.Tensor], torch.Tensor | None]]:
    """For each image (1, h, w, D) features of the *shape* encoder for each key, and (1, h', w') saliency."""
    result: list[Any] = [None] * len(images)
    for group, found in _by_size(images, sizes, encoders.shape, encoders.device, keys, watch):
        with watch:
            saliency = encoders.shape.saliency(found[-1, "token"])
        for row, number in enumerate(group):
            one = slice(row, row + 1)
            result[number] = (
                {key: values[one] for key, values in found.items()},
                None if saliency is None else saliency[one],
            )
    return result


def _look_features(
    images: Sequence[npt.NDArray[np.uint8]],
    grids: Sequence[tuple[int, int]],
    encoders: Encoders,
    spaces: list[Space],
    watch: Stopwatch,
) -> list[dict[str, torch.Tensor]]:
    """For each image (h, w, D) features of the *look* encoder on the shape encoder's grid, for each space."""
    result: list[dict[str, torch.Tensor]] = [{} for _ in images]
    if not spaces:
        return result
    if encoders.look is None:
        raise ValueError(f"preset {encoders.preset} has no encoder for the space {spaces[0].name}")
    patch = encoders.look.patch
    sizes = [(rows * patch, columns * patch) for rows, columns in grids]
    keys = dict.fromkeys((s.layer, s.facet) for s in spaces)
    for group, found in _by_size(images, sizes, encoders.look, encoders.device, keys, watch):
        for row, number in enumerate(group):
            result[number] = {s.name: found[s.layer, s.facet][row] for s in spaces}
    return result


def _by_size(
    images: Sequence[npt.NDArray[np.uint8]],
    sizes: Sequence[tuple[int, int]],
    encoder: ShapeEncoder,
    device: torch.device,
    keys: Iterable[GuideKey],
    watch: Stopwatch,
) -> Iterator[tuple[Sequence[int], dict[GuideKey, torch.Tensor]]]:
    """Run an encoder on images of one size at a time: their numbers, and their features for each key."""
    for group in in_groups(sizes):
        batch = torch.cat([_tensor(images[i], sizes[i], device) for i in group])
        with watch:
            found = encoder.encode(batch, keys)
        yield group, found


def _whole_features(
    images: Sequence[npt.NDArray[np.uint8]], encoders: Encoders, watch: Stopwatch
) -> torch.Tensor:
    """(B, D) features of the *names* role for the whole images, each made a square."""
    side = encoders.names.image_side
    squares = torch.cat([_tensor(pixels, (side, side), encoders.device) for pixels in images])
    with watch:
        return encoders.names.encode_image(squares)


def _crop_features(
    images: Sequence[npt.NDArray[np.uint8]], encoders: Encoders, most: int, watch: Stopwatch
) -> list[torch.Tensor]:
    """For each image (V, D) features of the *names* role for its crops."""
    result = []
    for pixels in images:
        boxes = crop_boxes(pixels.shape[0], pixels.shape[1], most)
        pieces = [pixels[rows, columns] for rows, columns in boxes]
        result.append(_whole_features(pieces, encoders, watch) if pieces else torch.zeros(0, 0))
    return result


def _text_features(
    images: Sequence[npt.NDArray[np.uint8]],
    sizes: Sequence[tuple[int, int]],
    grids: Sequence[tuple[int, int]],
    guides: Sequence[Mapping[GuideKey, torch.Tensor]],
    encoders: Encoders,
    config: SegmentConfig,
    watch: Stopwatch,
) -> list[torch.Tensor]:
    """For each image (N, D) features of the *names* role, the mean over its scales."""
    names = encoders.names
    totals: list[torch.Tensor] = []
    sides = config.sides or names.dense_sides
    for side in sides:
        scale = side / config.image_size
        scaled = []
        for pixels, like in zip(images, sizes, strict=True):
            height, width = (names.multiple * max(2, round(x * scale / names.multiple)) for x in like)
            scaled.append(_tensor(pixels, (height, width), encoders.device))
        cells = _windowed(scaled, grids, guides, names, config.window or names.window, watch)
        totals = [a + b for a, b in zip(totals, cells, strict=True)] if totals else cells
    if len(totals) != len(images):
        raise ValueError(f"encoder {type(names).__name__} names no sizes for dense features")
    return [total / len(sides) for total in totals]


def _windowed(
    images: Sequence[torch.Tensor],
    grids: Sequence[tuple[int, int]],
    guides: Sequence[Mapping[GuideKey, torch.Tensor]],
    names: ImageTextEncoder,
    window: tuple[int, int] | None,
    watch: Stopwatch,
) -> list[torch.Tensor]:
    """(N, D) dense features of each (1, 3, H, W) image at one scale, the mean over its windows.

    Windows of one size go through the encoder together, whichever image they are of. Linear features may be
    resampled before they are scored.
    """
    sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
    crop, stride = _in_cells(window, names.multiple)
    jobs = [(number, box) for number, size in enumerate(sizes) for box in window_boxes(*size, crop, stride)]
    seen = [
        {key: crop_guide(guides[number][key], box, sizes[number]) for key in names.guide}
        for number, box in jobs
    ]
    mosaics = [Mosaic(grid, size) for grid, size in zip(grids, sizes, strict=True)]
    alike = [
        (box.size, *(guide.shape for guide in guides_.values()))
        for (_, box), guides_ in zip(jobs, seen, strict=True)
    ]
    for group in in_groups(alike):
        batch = torch.cat([jobs[job][1].cut(images[jobs[job][0]]) for job in group])
        guide = {key: torch.cat([seen[job][key] for job in group]) for key in names.guide}
        with watch:
            dense = names.encode_dense(batch, guide)
        for job, features in zip(group, dense, strict=True):
            number, box = jobs[job]
            mosaics[number].add(box, features)
    return [mosaic.mean().flatten(0, 1) for mosaic in mosaics]


def _in_cells(window: tuple[int, int] | None, cell: int) -> tuple[int | None, int | None]:
    """Crop and stride as whole cells."""
    if window is None:
        return None, None
    crop, stride = (cell * max(1, round(length / cell)) for length in window)
    return crop, stride


def _tensor(pixels: npt.NDArray[np.uint8], size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """(1, 3, H, W) float32 in [0, 1] of the image at another size, on the device."""
    image = torch.from_numpy(resized(pixels, size)).to(device)
    return image.permute(2, 0, 1)[None].float() / 255
