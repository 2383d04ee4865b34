"""Windows and crops of an image: where they lie, and how features of windows are merged without seams."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch

__all__ = [
    "Box",
    "SlidingWindowMerger",
    "crop_boxes",
    "crop_features",
    "in_groups",
    "sampled",
    "window_boxes",
]

AT_ONCE = 16
"""Images or windows that go through an encoder together, at most."""


@dataclass(frozen=True)
class Box:
    """A window in pixels, exclusive ends."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.bottom - self.top, self.right - self.left

    def cut(self, images: torch.Tensor) -> torch.Tensor:
        """(…, H, W) to the part inside."""
        return images[..., self.top : self.bottom, self.left : self.right]


def window_boxes(height: int, width: int, crop: int | None, stride: int | None) -> list[Box]:
    """Return windows that cover an image, in reading order.

    The last of a row or column is moved back until it ends at the border (mmsegmentation's sliding window);
    an image shorter than the crop has one window of its own length.

    Args:
        height: Of the image in pixels.
        width: Likewise.
        crop: Side of the window; None: one window, the whole image.
        stride: Step between windows, at most ``crop``.

    Raises:
        ValueError: Windows of that step would leave gaps.
    """
    if crop is None or stride is None:
        return [Box(0, 0, height, width)]
    if not 1 <= stride <= crop:
        raise ValueError(f"windows of {crop} px every {stride} px leave gaps")
    rows, columns = (_starts(length, crop, stride) for length in (height, width))
    return [
        Box(top, left, min(top + crop, height), min(left + crop, width)) for top in rows for left in columns
    ]


def _starts(length: int, crop: int, stride: int) -> list[int]:
    last = max(length - crop, 0)
    return [*range(0, last, stride), last]


def crop_boxes(height: int, width: int, most: int) -> list[tuple[slice, slice]]:
    """Return rows and columns of the crops of 2 × 2 up to ``most`` × ``most``, scale by scale, row by row.

    Crops of one scale cover the image and do not overlap; none is empty, however small the image.
    """
    boxes = []
    for scale in range(2, most + 1):
        rows, columns = (_parts(length, scale) for length in (height, width))
        boxes += [(down, across) for down in rows for across in columns]
    return boxes


def _parts(length: int, count: int) -> list[slice]:
    edges = [index * length // count for index in range(count + 1)]
    # Of a side with fewer pixels than parts, some parts are the same pixel.
    return [slice(min(a, length - 1), max(b, a + 1)) for a, b in itertools.pairwise(edges)]


def in_groups(keys: Sequence[Hashable], most: int = AT_ONCE) -> list[list[int]]:
    """Return indices in groups of equal keys, at most so many in each: what one pass of an encoder takes.

    Groups come in the order of their first members, indices in theirs.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return [group[i : i + most] for group in groups.values() for i in range(0, len(group), most)]


class SlidingWindowMerger:
    """The mean of overlapping windows on one grid.

    Args:
        grid: (h, w) of the result.
        size: (H, W) in pixels of the image that the windows are boxes in.
    """

    def __init__(self, grid: tuple[int, int], size: tuple[int, int]) -> None:
        self._grid, self._size = grid, size
        self._sum: torch.Tensor | None = None
        self._count = torch.zeros(grid)

    def add(self, box: Box, features: torch.Tensor) -> None:
        """Lay a window's (h', w', D) features on the patches whose centres it holds, bilinearly."""
        rows, down = _centres(self._grid[0], self._size[0], box.top, box.bottom)
        columns, across = _centres(self._grid[1], self._size[1], box.left, box.right)
        if self._sum is None:
            self._sum = torch.zeros(*self._grid, features.shape[-1], device=features.device)
        self._sum[rows, columns] += sampled(features, down, across)
        self._count[rows, columns] += 1

    def mean(self) -> torch.Tensor:
        """(h, w, D) float32.

        Raises:
            ValueError: Some patch has its centre in no window.
        """
        if self._sum is None or not bool(self._count.all()):
            raise ValueError("the windows do not cover the image")
        return self._sum / self._count[..., None].to(self._sum.device)


def crop_features(features: torch.Tensor, box: Box, size: tuple[int, int]) -> torch.Tensor:
    """Return the part of a whole image's features inside a window, at their resolution.

    Args:
        features: (B, h, w, D) features of the whole image.
        box: The window.
        size: (H, W) in pixels of the image that it is a box in.

    Returns:
        (B, h', w', D), patches as large as before, bilinear where the window does not begin with one.
    """
    positions = []
    spans = (
        (features.shape[1], size[0], box.top, box.bottom),
        (features.shape[2], size[1], box.left, box.right),
    )
    for patches, length, start, end in spans:
        count = max(1, round((end - start) * patches / length))
        centres = torch.arange(count, dtype=torch.float64) + 0.5
        positions.append((start + centres * (end - start) / count) / length)
    return torch.stack([sampled(image, *positions) for image in features]).to(features.dtype)


def sampled(features: torch.Tensor, down: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
    """Sample features at positions, linear between the centres of patches and constant beyond the outer ones.

    Args:
        features: (h, w, D).
        down: (n,) positions from 0, the upper border, to 1, the lower.
        across: (m,) likewise from left to right.

    Returns:
        (n, m, D) float32.
    """
    rows = _linear_weights(down, features.shape[0]).to(features.device)
    columns = _linear_weights(across, features.shape[1]).to(features.device)
    return torch.einsum("nh,mw,hwd->nmd", rows, columns, features.float())


def _linear_weights(positions: torch.Tensor, patches: int) -> torch.Tensor:
    """(n, patches) float32 weights, rows summing to 1."""
    position = (positions * patches - 0.5).clamp(0, patches - 1)
    low = position.floor().clamp(max=max(patches - 2, 0)).long()
    share = (position - low).float()
    weights = torch.zeros(len(positions), patches)
    weights.scatter_add_(1, low[:, None], 1 - share[:, None])
    return weights.scatter_add_(1, (low + 1).clamp(max=patches - 1)[:, None], share[:, None])


def _centres(patches: int, length: int, start: int, end: int) -> tuple[slice, torch.Tensor]:
    """Patches along one side whose centres lie in [start, end), and where in it, from 0 to 1."""
    # In units of half a pixel per patch, centres and bounds are whole numbers: no rounding decides who is in.
    first = max(0, -(-(2 * start * patches - length) // (2 * length)))
    stop = min(patches, -(-(2 * end * patches - length) // (2 * length)))
    positions = (torch.arange(first, stop, dtype=torch.float64) + 0.5) * length / patches
    return slice(first, stop), (positions - start) / (end - start)
