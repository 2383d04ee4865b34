"""The graph of an image: patches joined where features agree (TokenCut, Wang et al., CVPR 2022, 3.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg.blas import ssymm, ssymv, ssyrk
from torch import Tensor

from ovseg.discovery.config import DiscoveryConfig

__all__ = ["Affinity", "Array", "build_affinity", "image_affinity", "images_at_once"]

Array = TypeVar("Array", npt.NDArray[np.float32], Tensor)
"""NumPy's on the CPU, where calls of torch take longer than a thousand patches' arithmetic; or torch's."""

TRIANGLE_BYTES = 1 << 30
"""On the CPU, links of at most this are one upper triangle in the square of a float32 matrix: BLAS makes half
of the products of a symmetric matrix (``syrk``) and reads half of it (``symv``)."""
BLOCK_BYTES = 2 << 20
"""Size of a row block on the CPU: it stays in the cache between the product and the threshold, and between
the two products that `Affinity.links` makes of it."""
SAMPLE = 128
"""Rows, evenly taken, whose cosines with all stand for all."""
FLOAT_BYTES = 1 << 30
"""Blocks of more than this are kept as bytes and widened one at a time."""


@dataclass(frozen=True)
class Affinity:
    """Thresholded cosine affinity of a batch of images, ``W = epsilon + (1 - epsilon) * links``.

    Links are symmetric, so half of them says all. On the CPU that is a triangle, or where this takes too much
    memory the row blocks of one, each read once for both of its places. On an accelerator it is the whole.

    Attributes:
        blocks: For rows ``a:b`` a tensor (B, b - a, N - a) of zeros and ones, float32 or uint8.
        size: N, patches an image.
        epsilon: Weight of a pair that does not agree.
        triangle: There is one block, float32 on the CPU, and nothing above its diagonal means anything.
    """

    blocks: tuple[Tensor, ...]
    size: int
    epsilon: float
    triangle: bool = False

    @property
    def batch(self) -> int:
        """B: images."""
        return int(self.blocks[0].shape[0])

    @property
    def device(self) -> torch.device:
        """Where the links lie."""
        return self.blocks[0].device

    def links(self, x: Tensor) -> Tensor:
        """Product of the binary links with ``x`` (B, N, p) float32."""
        if self.triangle:
            out = torch.empty_like(x)
            for image, columns, found in zip(self.blocks[0].numpy(), x.numpy(), out.numpy(), strict=True):
                found[:] = ssymm(1.0, image.T, columns)
            return out
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

    def times(self, x: Array) -> Array:
        """``W @ x`` for one vector an image, (B, N) float32: NumPy's where the links lie on the CPU."""
        links: Array
        if isinstance(x, Tensor):
            links = self.links(x[..., None])[..., 0]
        elif self.triangle:
            links = np.empty_like(x)
            for image, vector, out in zip(self.blocks[0].numpy(), x, links, strict=True):
                out[:] = ssymv(1.0, image.T, vector)
        else:
            links = self.links(torch.from_numpy(x)[..., None])[..., 0].numpy()
        links *= 1 - self.epsilon
        links += self.epsilon * x.sum(1)[:, None]
        return links

    def _rows(self) -> Iterator[tuple[int, Tensor]]:
        start = 0
        for block in self.blocks:
            yield start, block
            start += block.shape[1]


def build_affinity(
    features: Tensor, tau: float, epsilon: float, *, block_rows: int | None = None
) -> Affinity:
    """Join patches whose features' cosine is above ``tau``.

    Cosines are cut at ``tau`` where they lie, and kept as 0 and 1.

    Args:
        features: (B, N, D) of any floating dtype; rows need no normalization, a row of zeros has no links.
        tau: Threshold in [-1, 1).
        epsilon: Weight of the other pairs, in (0, 1): it keeps the graph connected.
        block_rows: Rows of a block. By default a triangle on the CPU while it fits, then a few megabytes'
            worth, and all rows elsewhere.

    Raises:
        ValueError: The shape is wrong, a feature is NaN or infinite, or a setting is out of range.
    """
    if features.ndim != 3 or 0 in features.shape:
        raise ValueError(f"expected features of shape (B, N, D), none of them 0, got {tuple(features.shape)}")
    if not -1.0 <= tau < 1.0 or not 0.0 < epsilon < 1.0:
        raise ValueError(f"expected tau in [-1, 1) and epsilon in (0, 1), got {tau} and {epsilon}")
    features = features.detach().float()
    batch, size, _ = features.shape
    on_cpu = features.device.type == "cpu"
    if on_cpu and block_rows is None and 4 * batch * size * size <= TRIANGLE_BYTES:
        return Affinity((_triangles(features.numpy(), tau),), size, epsilon, triangle=True)
    rows = torch.nn.functional.normalize(features, dim=2)
    # Unit rows sum to something finite, unless one of them holds NaN or infinity.
    _refuse_unless(bool(torch.isfinite(rows.sum())))
    if block_rows is None:
        block_rows = max(64, BLOCK_BYTES // (4 * size)) if on_cpu else size
    floats = batch * size * size * 2 <= FLOAT_BYTES
    blocks = []
    for start in range(0, size, block_rows):
        cosine = rows[:, start : start + block_rows] @ rows[:, start:].transpose(1, 2)
        blocks.append(cosine.gt_(tau) if floats else cosine.gt(tau).to(torch.uint8))
    return Affinity(tuple(blocks), size, epsilon)


def image_affinity(features: Tensor, config: DiscoveryConfig) -> Affinity:
    """The graph of one image by its settings.

    Args:
        features: (h, w, D), as `build_affinity` takes them.
        config: ``tau`` or ``density``, and ``epsilon``.

    Raises:
        ValueError: As `build_affinity`.
    """
    flat = features.flatten(0, -2)[None]
    tau = config.tau if config.density is None else _tau_of(flat[0], config.density)
    return build_affinity(flat, tau, config.epsilon)


def _tau_of(features: Tensor, density: float) -> float:
    """The cosine that a share ``density`` of the pairs of rows exceeds, as `SAMPLE` rows see it."""
    rows = torch.nn.functional.normalize(features.float(), dim=1)
    some = rows[:: -(-len(rows) // SAMPLE)]
    # Not 1, where nothing is above: equal patches agree. NaN is for `build_affinity` to refuse.
    quantile = np.quantile((some @ rows.T).cpu().numpy(), 1 - density)
    return float(min(np.nan_to_num(quantile), 0.999))


def _refuse_unless(finite: bool) -> None:
    if not finite:
        raise ValueError("features hold NaN or infinite values: the encoder or its input is broken")


def _triangles(features: npt.NDArray[np.float32], tau: float) -> Tensor:
    """(B, N, N) float32 links of (B, N, D) features, lower triangles.

    All of it in NumPy and one BLAS: its threads and torch's would wait for each other in turn, spinning.
    """
    norm = np.sqrt(np.einsum("bnd,bnd->bn", features, features))
    _refuse_unless(bool(np.isfinite(norm).all()))
    rows = features / np.maximum(norm, 1e-12)[..., None]
    links = np.zeros((*norm.shape, norm.shape[1]), np.float32)
    for image, out in zip(rows, links, strict=True):
        # BLAS counts columns first: its upper triangle is the lower one here.
        ssyrk(1.0, image.T, c=out.T, trans=1, overwrite_c=1)
        np.greater(out, tau, out=out)
    return torch.from_numpy(links)


def images_at_once(size: int, budget: int = 4 << 30) -> int:
    """How many images of ``size`` patches fit into ``budget`` bytes of links and their product."""
    return max(1, math.floor(budget / (8 * size * size)))
