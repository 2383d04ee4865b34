"""Objects of one image: the cut, the evidence, the regions in it, ranked and scored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ovseg.discovery.affinity import Affinity, image_affinity
from ovseg.discovery.candidates import agreement, level_regions, overlaps, strongest
from ovseg.discovery.config import DiscoveryConfig
from ovseg.discovery.evidence import cut_evidence, fuse, resample
from ovseg.discovery.maskcut import Cut, maskcut
from ovseg.discovery.objectness import Measures, frame_contact, objectness
from ovseg.types import Region

__all__ = ["Discovery", "discover", "discover_image", "foreground_evidence"]


@dataclass(frozen=True)
class Discovery:
    """All that was found in one image.

    Attributes:
        regions: Best first, on a raster of (h * raster, w * raster).
        measures: What each region's score is made of.
        cuts: The rounds of the normalized cut, on the (h, w) grid.
        evidence: (h * raster, w * raster) in [0, 1], or None where nothing was found to base it on.
    """

    regions: tuple[Region, ...]
    measures: tuple[Measures, ...]
    cuts: tuple[Cut, ...]
    evidence: npt.NDArray[np.float32] | None


def discover(
    features: Tensor, *, saliency: Tensor | None = None, config: DiscoveryConfig | None = None
) -> list[Region]:
    """Find the objects of one image, best first; an empty list if there is nothing.

    Args:
        features: (h, w, D) of any floating dtype, on any device.
        saliency: (h', w') foreground probability of any resolution, if the encoder has a decoder.
        config: Settings; the defaults suit DINOv2 ViT-S/14.

    Returns:
        Regions with masks on a raster ``config.raster`` times finer than the grid.

    Raises:
        ValueError: The shape is wrong, or features or saliency hold NaN or infinite values.
    """
    return list(discover_image(features, saliency=saliency, config=config).regions)


def foreground_evidence(
    features: Tensor, *, saliency: Tensor | None = None, config: DiscoveryConfig | None = None
) -> npt.NDArray[np.float32]:
    """How likely each patch is foreground, (h, w) in [0, 1]: cut and saliency in one map.

    One half everywhere where neither says anything (a blank image without a saliency map).

    Raises:
        ValueError: As `discover`.
    """
    config = config or DiscoveryConfig()
    shape, affinity, map_ = _inputs(features, saliency, config)
    coarse = None if map_ is None else resample(map_, shape)
    cuts = maskcut(affinity, shape, replace(config, rounds=1), coarse)
    evidence = fuse(coarse, cut_evidence(cuts[0]) if cuts else None, config.saliency_share)
    return np.full(shape, 0.5, np.float32) if evidence is None else evidence


def discover_image(
    features: Tensor, *, saliency: Tensor | None = None, config: DiscoveryConfig | None = None
) -> Discovery:
    """As `discover`, with the cuts and the measures that led to the regions."""
    config = config or DiscoveryConfig()
    shape, affinity, map_ = _inputs(features, saliency, config)
    raster = (shape[0] * config.raster, shape[1] * config.raster)
    cuts = maskcut(affinity, shape, config, None if map_ is None else resample(map_, shape))
    fine_map = None if map_ is None else resample(map_, raster)
    fine_cut = resample(cut_evidence(cuts[0]), raster) if cuts else None
    evidence = fuse(fine_map, fine_cut, config.saliency_share)
    masks = [] if evidence is None else level_regions(evidence, config)
    masks += [np.kron(cut.mask, np.ones((config.raster, config.raster), dtype=bool)) for cut in cuts]
    if evidence is None or not masks:
        return Discovery((), (), tuple(cuts), evidence)
    stack = np.stack(masks)
    iou = overlaps(stack)
    free = np.array([1 - frame_contact(mask) for mask in stack], np.float32)
    # What covers the whole frame keeps a rank above 0, so that ranks can be compared.
    rank = (agreement(iou, config.agreement) * np.maximum(free, 1e-3) ** config.frame).astype(np.float32)
    order = strongest(iou, rank, config.overlap, config.max_regions)
    measured = _measure(stack[order], evidence, cuts)
    # Objectness says whether there is an object, rank which of the regions it is: the best region's score is
    # its objectness, and no other one's is higher.
    likely = [objectness(measures) for measures in measured]
    scores = [
        min(share, likely[0]) * float(rank[index] / rank[order[0]])
        for share, index in zip(likely, order, strict=True)
    ]
    best_first = sorted(zip(scores, order, measured, strict=True), key=lambda item: -item[0])
    found = [item for item in best_first if item[0] >= config.min_score]
    regions = tuple(Region.from_mask(stack[index], score) for score, index, _ in found)
    return Discovery(regions, tuple(m for *_, m in found), tuple(cuts), evidence)


def _inputs(
    features: Tensor, saliency: Tensor | None, config: DiscoveryConfig
) -> tuple[tuple[int, int], Affinity, Tensor | None]:
    """Check what came in; return the grid's shape, its graph, and the saliency."""
    if features.ndim != 3 or 0 in features.shape:
        raise ValueError(f"expected features of shape (h, w, D), none of them 0, got {tuple(features.shape)}")
    if saliency is not None and (saliency.ndim != 2 or 0 in saliency.shape):
        raise ValueError(f"expected saliency of shape (h', w'), got {tuple(saliency.shape)}")
    if saliency is not None and not bool(torch.isfinite(saliency).all()):
        raise ValueError("saliency holds NaN or infinite values: the encoder or its input is broken")
    shape = (int(features.shape[0]), int(features.shape[1]))
    return shape, image_affinity(features, config), saliency


def _measure(
    masks: npt.NDArray[np.bool_], evidence: npt.NDArray[np.float32], cuts: list[Cut]
) -> list[Measures]:
    """Measure (M, H, W) regions."""
    eigenvalue = min(cuts[0].eigenvalue, 1.0) if cuts else 1.0
    measured = []
    for mask in masks:
        outside = float(evidence[~mask].mean()) if not mask.all() else 0.0
        contrast = float(evidence[mask].mean()) - outside
        measured.append(Measures(eigenvalue, float(mask.mean()), frame_contact(mask), contrast))
    return measured
