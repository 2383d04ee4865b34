"""The graph of an image: cells joined where features agree (TokenCut, Wang et al., CVPR 2022, 3.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Affinity", "build_affinity"]

BLOCK_BYTES = 2 << 20
"""Size of a row block on the CPU: it stays in the cache between the product and the threshold, and between
the two products that `Affinity.links` makes of it."""
WHOLE_BYTES = 8 << 20
"""On the CPU, links of at most this are kept as one block, mirrored: one product with the whole matrix is
then quicker than two with each of its parts."""
FLOAT_BYTES = 1 << 30
"""Links of more than this are kept as bytes and widened a block at a time."""


@dataclass(frozen=True)
class Affinity:
    """Thresholded cosine affinity of a batch of images, ``W = epsilon + (1 - epsilon) * links``.

    Links are symmetric, so only the row blocks of the upper triangle are kept: half the products, half the
    memory, and every block is read once for both of its places. Images of few cells, and a batch on an
    accelerator, have one block, the whole matrix.

    Attributes:
        blocks: For rows ``a:b`` a tensor (B, b - a, N - a) of zeros and ones, float32 or uint8.
        size: N, cells an image.
        epsilon: Weight of a pair that does not agree.
    """

    blocks: tuple[Tensor, ...]
    size: int
    epsilon: float

    @property
    def batch(self) -> int:
        """B: images."""
        return int(self.blocks[0].shape[0])

    @property
    def device(self) -> torch.device:
        """Where the links lie."""
        return self.blocks[0].device

    @property
    def nbytes(self) -> int:
        """Bytes of the links."""
        return sum(block.numel() * block.element_size() for block in self.blocks)

    def links(self, x: Tensor) -> Tensor:
        """Product of the binary links with ``x`` (B, N, p) float32."""
        out = torch.zeros_like(x)
        for start, block in self._rows():
            stop = start + block.shape[1]
            wide = block if block.dtype == x.dtype else block.to(x.dtype)
            out[:, start:stop].baddbmm_(wide, x[:, start:])
            if stop < self.size:
                out[:, stop:].baddbmm_(wide[:, :, stop - start :].transpose(1, 2), x[:, start:stop])
        return out

    def product(self, x: Tensor) -> Tensor:
        """``W @ x`` for ``x`` (B, N, p) float32."""
        return self.links(x).mul_(1 - self.epsilon).add_(x.sum(dim=1, keepdim=True), alpha=self.epsilon)

    def _rows(self) -> Iterator[tuple[int, Tensor]]:
        start = 0
        for block in self.blocks:
            yield start, block
            start += block.shape[1]


def build_affinity(
    features: Tensor, tau: float, epsilon: float, *, block_rows: int | None = None
) -> Affinity:
    """Join cells whose features' cosine is above ``tau``.

    The full matrix of cosines is never held: blocks of it are made, cut at ``tau`` and kept as 0 and 1.

    Args:
        features: (B, N, D) of any floating dtype; rows need no normalization, a row of zeros has no links.
        tau: Threshold in [-1, 1).
        epsilon: Weight of the other pairs, in (0, 1): it keeps the graph connected.
        block_rows: Rows of a block; by default a few megabytes' worth on the CPU, all of them elsewhere.

    Raises:
        ValueError: The shape is wrong, a feature is NaN or infinite, or a setting is out of range.
    """
    if features.ndim != 3 or 0 in features.shape:
        raise ValueError(f"expected features of shape (B, N, D), none of them 0, got {tuple(features.shape)}")
    if not -1.0 <= tau < 1.0 or not 0.0 < epsilon < 1.0:
        raise ValueError(f"expected tau in [-1, 1) and epsilon in (0, 1), got {tau} and {epsilon}")
    rows = torch.nn.functional.normalize(features.float(), dim=2)
    # Unit rows sum to something finite, unless one of them holds NaN or infinity.
    if not bool(torch.isfinite(rows.sum())):
        raise ValueError("features hold NaN or infinite values: the encoder or its input is broken")
    size = rows.shape[1]
    if block_rows is None:
        on_cpu = rows.device.type == "cpu"
        if on_cpu and 4 * size * size <= WHOLE_BYTES:
            return Affinity((_mirrored(rows, tau, max(64, -(-size // 4))),), size, epsilon)
        block_rows = max(64, BLOCK_BYTES // (4 * size)) if on_cpu else size
    floats = rows.shape[0] * size * size * 2 <= FLOAT_BYTES
    blocks = []
    for start in range(0, size, block_rows):
        cosine = rows[:, start : start + block_rows] @ rows[:, start:].transpose(1, 2)
        blocks.append(cosine.gt_(tau) if floats else cosine.gt(tau).to(torch.uint8))
    return Affinity(tuple(blocks), size, epsilon)


def _mirrored(rows: Tensor, tau: float, height: int) -> Tensor:
    """(B, N, N) float32 links of unit ``rows`` (B, N, D): upper triangle in blocks, the lower its image."""
    size = rows.shape[1]
    links = rows.new_empty(rows.shape[0], size, size)
    for start in range(0, size, height):
        stop = start + height
        part = (rows[:, start:stop] @ rows[:, start:].transpose(1, 2)).gt_(tau)
        links[:, start:stop, start:] = part
        links[:, start:, start:stop] = part.transpose(1, 2)
    return links


def images_at_once(size: int, budget: int = 4 << 30) -> int:
    """How many images of ``size`` cells fit into ``budget`` bytes of links and their product."""
    return max(1, math.floor(budget / (8 * size * size)))
