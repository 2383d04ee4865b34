"""Soft scores of any tool, resized to the truth and decided, one class at a time.

A file holds one tensor (C, h, w): ``scores`` in [0, 1], or ``logits`` (cosines), which the protocol's scale
and a softmax over channels turn into scores. Memory at full size does not grow with the number of classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ovseg.errors import InputError, reason
from ovseg.evaluation.predictions import Prediction

if TYPE_CHECKING:
    import torch

__all__ = ["decide", "read_scores"]

Scores = npt.NDArray[np.float32]


def read_scores(path: Path) -> tuple[Scores, bool]:
    """Read a score file: safetensors with one tensor, ``scores`` or ``logits``.

    Returns:
        (C, h, w) float32, and whether they are logits.

    Raises:
        InputError: The file cannot be read, holds something else, or values that are no scores.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, TypeError) as error:
        raise InputError(f"cannot read scores from {path}: {reason(error)}") from error
    name = next((name for name in ("scores", "logits") if name in tensors), None)
    if name is None:
        raise InputError(f"{path}: holds {sorted(tensors)}: expected a tensor 'scores' or 'logits'")
    values = tensors[name].astype(np.float32)
    if values.ndim != 3 or 0 in values.shape:
        raise InputError(f"{path}: {name} have shape {values.shape}: expected (classes, h, w)")
    if not np.isfinite(values).all():
        raise InputError(f"{path}: {name} are not finite")
    if name == "scores" and (values.min() < 0 or values.max() > 1):
        raise InputError(f"{path}: scores are not in [0, 1]: name the tensor 'logits' if they are cosines")
    return values, name == "logits"


def decide(
    values: Scores | torch.Tensor,
    size: tuple[int, int],
    *,
    logits: bool,
    scale: float,
    threshold: float,
    background: bool,
    owners: torch.Tensor | None = None,
) -> Prediction:
    """Resize bilinearly, take the best class, send what is below the threshold to background.

    Args:
        values: (K, h, w) float32, or (T, h, w) of words of which several may mean one class.
        size: (H, W) of the truth.
        logits: Whether a softmax comes first.
        scale: Factor on logits.
        threshold: Scores below become class 0.
        background: Whether class 0 is background; without it the threshold has no place to send a pixel.
        owners: (T,) class of each word: a class has the score of its best word. None: each is a class.
    """
    import torch
    from torch.nn.functional import interpolate

    planes = torch.as_tensor(values)
    best = torch.full(size, -torch.inf, device=planes.device)
    total = torch.zeros(size, device=planes.device)
    labels = torch.zeros(size, dtype=torch.uint8, device=planes.device)
    for index, plane in enumerate(planes):
        resized = interpolate(plane[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
        if logits:
            resized = resized * scale
            # Sum of exponentials relative to the best so far: the softmax's denominator in one pass.
            top = torch.maximum(best, resized)
            total = total * torch.exp(best - top) + torch.exp(resized - top)
        better = resized > best
        labels[better] = index if owners is None else int(owners[index])
        best = torch.where(better, resized, best)
    confidence = 1 / total if logits else best.clamp(0, 1)
    if background and threshold > 0:
        labels[confidence < threshold] = 0
    return Prediction(labels.cpu().numpy(), confidence.to(torch.float16).cpu().numpy())
