"""How likely each patch is foreground: what the cut says and what a saliency decoder says, multiplied."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ovseg.discovery.maskcut import Cut

__all__ = ["cut_evidence", "fuse", "resample"]

Array = npt.NDArray[np.float32]

STEEPNESS = 2.0
"""Of the logistic function of the eigenvector, in units of its deviation; 1/2 lies at the mean."""


def cut_evidence(cut: Cut) -> Array:
    """Eigenvector of a cut as (h, w) evidence in [0, 1], above 1/2 on the object's side of the mean."""
    centred = cut.vector - cut.vector.mean()
    spread = max(float(centred.std()), 1e-9)
    evidence: Array = (1 / (1 + np.exp(-STEEPNESS * centred / spread))).astype(np.float32)
    return evidence


def fuse(saliency: Array | None, cut: Array | None, share: float) -> Array | None:
    """Weighted geometric mean of two maps of one shape; the other one where one is missing.

    Both must agree for a high value, which takes away what only one of them believes in: the decoder's
    leaks into the background, and the cut's halves of a picture without object.
    """
    if saliency is None or cut is None:
        return saliency if cut is None else cut
    mixed: Array = (np.clip(saliency, 0, 1) ** share * cut ** (1 - share)).astype(np.float32)
    return mixed


def resample(values: Array | Tensor, shape: tuple[int, int]) -> Array:
    """(h, w) map at another shape: averaged where that is coarser, bilinear where it is finer."""
    tensor = torch.as_tensor(values).detach().to("cpu", torch.float32)[None, None]
    coarser = shape[0] <= tensor.shape[2] and shape[1] <= tensor.shape[3]
    if coarser:
        made = torch.nn.functional.adaptive_avg_pool2d(tensor, shape)
    else:
        made = torch.nn.functional.interpolate(tensor, size=shape, mode="bilinear", align_corners=False)
    array: Array = made[0, 0].numpy()
    return array
