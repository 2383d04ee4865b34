"""Feature grids with objects whose place is known."""

from __future__ import annotations

import torch


def scene(
    shape: tuple[int, int],
    boxes: list[tuple[int, int, int, int]],
    *,
    noise: float = 0.3,
    seed: int = 0,
    length: int = 32,
) -> torch.Tensor:
    """(h, w, length) features: a background and one kind of thing for each XYXY box of patches."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.linalg.qr(torch.randn(length, len(boxes) + 1, generator=generator)).Q.T
    labels = torch.zeros(shape, dtype=torch.long)
    for kind, (x0, y0, x1, y1) in enumerate(boxes, start=1):
        labels[y0:y1, x0:x1] = kind
    return kinds[labels] + noise * torch.randn(*shape, length, generator=generator) / length**0.5


def saliency_of(
    shape: tuple[int, int], boxes: list[tuple[int, int, int, int]], finer: int = 8
) -> torch.Tensor:
    """(h * finer, w * finer) saliency: 0.95 in the boxes, 0.05 elsewhere."""
    map_ = torch.full((shape[0] * finer, shape[1] * finer), 0.05)
    for x0, y0, x1, y1 in boxes:
        map_[y0 * finer : y1 * finer, x0 * finer : x1 * finer] = 0.95
    return map_
