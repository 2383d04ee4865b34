"""From scores on a grid to a label map at the image's size."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ovseg.config import RefinementConfig
from ovseg.refinement.pamr import pamr
from ovseg.types import void_index

_FAINT = 0.05
"""Classes whose score stays below this everywhere cannot win a pixel worth refining."""


def label_map(
    scores: torch.Tensor, pixels: npt.NDArray[np.uint8], config: RefinementConfig
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float16]]:
    """Upsample, refine along the image's edges, and take the best class of each pixel.

    Args:
        scores: (K + 1, h, w) in [0, 1], background first, summing to 1 over classes.
        pixels: (H, W, 3) uint8 RGB.
        config: How edges are refined, and when a pixel gets no answer.

    Returns:
        (H, W) labels (uint8, or uint16 from 255 classes on) and (H, W) float16 confidence in [0, 1].

    Raises:
        DependencyMissing: ``crf`` without the package that does it.
    """
    height, width = pixels.shape[:2]
    void = void_index(len(scores) - 1)
    candidates = torch.nonzero(scores.flatten(1).max(1).values >= _FAINT)[:, 0]
    if len(candidates) == 0:
        candidates = torch.arange(len(scores), device=scores.device)
    kept = scores[candidates]
    if config.refine != "none" and len(candidates) > 1:
        kept = _refined(kept, pixels, config)
    full = F.interpolate(kept[None], size=(height, width), mode="bilinear", align_corners=False)[0]
    best = full.max(dim=0)
    labels = candidates[best.indices].cpu().numpy().astype(np.uint8 if void == 255 else np.uint16)
    confidence = best.values.clamp(0, 1).cpu().numpy().astype(np.float16)
    if config.abstain is not None:
        labels[confidence < config.abstain] = void
    return labels, confidence


def _refined(scores: torch.Tensor, pixels: npt.NDArray[np.uint8], config: RefinementConfig) -> torch.Tensor:
    """Return (K', H', W') scores refined at the working size."""
    height, width = pixels.shape[:2]
    scale = min(1.0, config.refine_side / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    scores = F.interpolate(scores[None], size=size, mode="bilinear", align_corners=False)[0]
    image = torch.from_numpy(pixels).to(scores.device).permute(2, 0, 1)[None].float() / 255
    image = F.interpolate(image, size=size, mode="area")[0]
    if config.refine == "crf":
        from ovseg.refinement.crf import dense_crf

        return dense_crf(image, scores)
    return pamr(image, scores)
