"""Which features, layers and thresholds find objects: the table behind the defaults of a preset."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from ovseg.discovery import DiscoveryConfig, at_size, discover_image
from ovseg.discovery.affinity import image_affinity
from ovseg.discovery.evidence import resample
from ovseg.discovery.maskcut import maskcut
from ovseg.discovery.sizing import largest_part
from ovseg.encoders.presets import Preset
from ovseg.encoders.vit import Facet
from ovseg.errors import UsageError
from ovseg.evaluation.boxes import Box, read_true_boxes
from ovseg.evaluation.datasets.truth import read_indices
from ovseg.evaluation.discovery import MaskScores, corloc
from ovseg.evaluation.object_masks import read_object_list
from ovseg.images import find_images, load_image
from ovseg.pipeline.discoverer import Discoverer
from ovseg.types import Region

__all__ = ["METHODS", "Setting", "Truth", "parse_settings", "quality_table"]

METHODS = ("cut", "cut+saliency", "saliency", "all")
"""``cut``: TokenCut as published. ``cut+saliency``: saliency chooses the side and the part. ``saliency``: the
largest part above 1/2. ``all``: what ``ovseg discover`` does."""


_TAU = DiscoveryConfig().tau


@dataclass(frozen=True)
class Setting:
    """One line of the table.

    Attributes:
        method: One of ``METHODS``.
        layer: Transformer block whose features are cut, -1 the last; without meaning for ``saliency``.
        facet: Which of its features, likewise.
        tau: Cosine above which two patches are linked, where ``density`` is None.
        density: Share of the pairs of patches that are linked instead, in (0, 1).
    """

    method: str
    layer: int
    facet: Facet
    tau: float
    density: float | None = None

    def __str__(self) -> str:
        if self.method == "saliency":
            return self.method
        linked = self.tau if self.density is None else f"{100 * self.density:g}%"
        return f"{self.method}:{self.facet}{self.layer}@{linked}"


@dataclass(frozen=True)
class Truth:
    """Where photos and their truth are.

    Attributes:
        photos: Folder of photos with boxes, or None.
        boxes: Their boxes (see ``read_true_boxes``).
        object_photos: Folder of photos with one object, or None.
        object_masks: Folder of their index masks, NAME.png.
        object_list: CSV with ``name`` and ``index`` of the object.
    """

    photos: Path | None = None
    boxes: Path | None = None
    object_photos: Path | None = None
    object_masks: Path | None = None
    object_list: Path | None = None


def parse_settings(text: str) -> list[Setting]:
    """Read ``"cut:value-1@0.4, saliency, all:token-1@50%"``: a tau, or the share of pairs that are linked.

    Raises:
        UsageError: It is not such a list.
    """
    found = []
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(cut|cut\+saliency|all):(token|query|key|value)(-?\d+)@([\d.]+)(%?)", part)
        if match:
            number, share = float(match[4]), bool(match[5])
            density = number / 100 if share else None
            tau = _TAU if share else number
            found.append(Setting(match[1], int(match[3]), cast(Facet, match[2]), tau, density))
        elif part == "saliency":
            found.append(Setting(part, -1, "token", 0.0))
        else:
            raise UsageError(f"cannot read setting {part!r}: write it as cut:value-1@0.4, or saliency")
    return found


def quality_table(
    encoders: Preset,
    settings: Sequence[Setting],
    truth: Truth,
    *,
    limit: int | None = None,
    tick: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """CorLoc of the best box and mean IoU of the best mask for each setting, also over halves of the photos.

    Every photo is encoded once. Halves are every other photo in the order of names: a setting that is chosen
    on half ``a`` is judged on half ``b``.

    Args:
        encoders: A backbone.
        settings: Lines of the table.
        truth: Photos and their truth.
        limit: Only the first so many photos of each set.
        tick: Called after each photo.

    Returns:
        Per setting ``{"setting": …, "corloc": …, "corloc_a": …, "corloc_b": …, "iou": …, …}``, shares.
    """
    rows: list[dict[str, Any]] = [{"setting": str(setting)} for setting in settings]
    if truth.photos is not None and truth.boxes is not None:
        true = read_true_boxes(truth.boxes)
        found: list[dict[str, Box | None]] = [{} for _ in settings]
        names = []
        for name, masks in _masks(encoders, settings, truth.photos, set(true), limit, tick):
            names.append(name)
            for boxes, mask in zip(found, masks, strict=True):
                boxes[name] = _box(mask)
        for row, boxes in zip(rows, found, strict=True):
            for key, part in _halves(names):
                row["corloc" + key] = corloc(boxes, {name: true[name] for name in part})["corloc"]
    if truth.object_photos is not None and truth.object_masks is not None and truth.object_list is not None:
        objects = read_object_list(truth.object_list)
        scores = [{key: MaskScores() for key in ("", "_a", "_b")} for _ in settings]
        photos = _masks(encoders, settings, truth.object_photos, set(objects), limit, tick)
        for number, (name, masks) in enumerate(photos):
            indices = read_indices(truth.object_masks / f"{name}.png")
            for score, mask in zip(scores, masks, strict=True):
                for key in ("", "_b" if number % 2 else "_a"):
                    score[key].add(mask.astype(np.float32), indices == objects[name], indices != 255)
        for row, score in zip(rows, scores, strict=True):
            row |= {f"iou{key}": value.results()["iou"] for key, value in score.items()}
    return rows


def _halves(names: list[str]) -> Iterator[tuple[str, list[str]]]:
    yield from (("", names), ("_a", names[::2]), ("_b", names[1::2]))


def _masks(
    encoders: Preset,
    settings: Sequence[Setting],
    folder: Path,
    wanted: set[str],
    limit: int | None,
    tick: Callable[[], None],
) -> Iterator[tuple[str, list[npt.NDArray[np.bool_]]]]:
    """Name of each photo that has a truth, and the best mask of each setting at its size."""
    images = [image for image in find_images([folder]) if image.stem.as_posix() in wanted]
    base = DiscoveryConfig.for_encoder(encoders.backbone.family)
    layers = [(setting.layer, setting.facet) for setting in settings]
    for image in images[:limit]:
        pixels = load_image(image.path).pixels
        features, saliency = Discoverer(encoders, base).encode(pixels, layers)
        masks = []
        for setting in settings:
            config = replace(
                base,
                layer=setting.layer,
                facet=setting.facet,
                tau=setting.tau,
                density=setting.density,
                min_score=0.0,
            )
            masks.append(
                _best(setting.method, features[(setting.layer, setting.facet)], saliency, config, pixels)
            )
        yield image.stem.as_posix(), masks
        tick()


def _best(
    method: str,
    features: torch.Tensor,
    saliency: torch.Tensor | None,
    config: DiscoveryConfig,
    pixels: npt.NDArray[np.uint8],
) -> npt.NDArray[np.bool_]:
    """Best mask of one photo, (H, W); empty where nothing was found."""
    size = (int(pixels.shape[0]), int(pixels.shape[1]))
    nothing = np.zeros(size, dtype=bool)
    if method == "all":
        regions = discover_image(features, saliency=saliency, config=config).regions
        best = at_size(regions[:1], size)
        return best[0].mask if best and best[0] is not None else nothing
    if method == "saliency":
        return nothing if saliency is None else largest_part(resample(saliency, size) > 0.5)
    grid = (int(features.shape[0]), int(features.shape[1]))
    affinity = image_affinity(features, config)
    guide = resample(saliency, grid) if method == "cut+saliency" and saliency is not None else None
    cuts = maskcut(affinity, grid, replace(config, rounds=1, min_area=0.0), guide)
    return resample(cuts[0].mask.astype(np.float32), size) > 0.5 if cuts else nothing


def _box(mask: npt.NDArray[np.bool_]) -> Box | None:
    if not mask.any():
        return None
    x0, y0, x1, y1 = Region.from_mask(mask, 1.0).box
    return float(x0), float(y0), float(x1), float(y1)
