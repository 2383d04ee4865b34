"""Edges of a soft mask pulled to those of the photo: the fast bilateral solver (Barron & Poole, ECCV 2016).

The mask is solved for on the vertices of a bilateral grid (position and colour, both quantized), where
neighbours should agree and each vertex should stay near what was given:
``(λ (Dm - Dn B Dn) + diag(c)) y = c t`` (equations 5 to 8 of the paper), with B a sum of blurs along the
axes of the grid that Dn makes doubly stochastic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, cg

__all__ = ["SolverConfig", "refine"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SolverConfig:
    """Settings of the bilateral solver, as TokenCut uses it.

    Attributes:
        sigma_spatial: Pixels of a grid patch.
        sigma_luma: Steps of brightness (of 256) of a grid patch.
        sigma_chroma: The same for the two colour axes.
        smoothness: λ.
        confidence: Of the given mask, the same everywhere.
        tolerance: Relative, of conjugate gradients.
        iterations: Most of conjugate gradients.
    """

    sigma_spatial: float = 16.0
    sigma_luma: float = 16.0
    sigma_chroma: float = 8.0
    smoothness: float = 256.0
    confidence: float = 0.999
    tolerance: float = 1e-5
    iterations: int = 25


def refine(
    mask: npt.NDArray[np.floating], image: npt.NDArray[np.uint8], config: SolverConfig | None = None
) -> npt.NDArray[np.float32]:
    """Refine a soft mask by the photo.

    Args:
        mask: (H, W) in [0, 1].
        image: (H, W, 3) uint8 RGB.
        config: Settings.

    Returns:
        (H, W) float32 in [0, 1]; above 1/2 is foreground.

    Raises:
        ValueError: The shapes do not match.
    """
    config = config or SolverConfig()
    if image.shape != (*mask.shape, 3):
        raise ValueError(f"expected an image of shape {(*mask.shape, 3)}, got {image.shape}")
    vertex, count, blurs = _grid(image, config)
    n, m = _bistochastize(vertex, count, blurs)
    weight = np.full(mask.size, config.confidence)
    splat = np.bincount(vertex, weights=weight, minlength=count)
    given = np.bincount(vertex, weights=weight * mask.ravel(), minlength=count)

    def multiply(y: Array) -> Array:
        return config.smoothness * (m * y - n * _blur(blurs, n * y)) + splat * y

    # Jacobi preconditioner: the diagonal of the system; the blur gives each vertex twice its axes' number.
    centre = 2.0 * len(blurs)
    diagonal = np.maximum(config.smoothness * (m - centre * n * n) + splat, 1e-5)
    solution, _ = cg(
        LinearOperator((count, count), matvec=multiply, dtype=np.float64),
        given,
        x0=given / np.maximum(splat, 1e-9),
        rtol=config.tolerance,
        maxiter=config.iterations,
        M=sp.diags(1 / diagonal),
    )
    refined: npt.NDArray[np.float32] = np.clip(solution[vertex].reshape(mask.shape), 0, 1).astype(np.float32)
    return refined


def _grid(
    image: npt.NDArray[np.uint8], config: SolverConfig
) -> tuple[npt.NDArray[np.int64], int, list[sp.csr_matrix]]:
    """Vertex of each pixel, number of vertices, and per axis who is whose neighbour."""
    height, width = image.shape[:2]
    rgb = image.reshape(-1, 3).astype(np.float64)
    # ITU-R BT.601, full range, as JPEG has it.
    luma = rgb @ (0.299, 0.587, 0.114)
    blue, red = 0.564 * (rgb[:, 2] - luma) + 128, 0.713 * (rgb[:, 0] - luma) + 128
    rows, columns = np.divmod(np.arange(height * width), width)
    places = np.stack(
        [
            (columns / config.sigma_spatial).astype(np.int64),
            (rows / config.sigma_spatial).astype(np.int64),
            (luma / config.sigma_luma).astype(np.int64),
            (blue / config.sigma_chroma).astype(np.int64),
            (red / config.sigma_chroma).astype(np.int64),
        ]
    )
    # A rim of one keeps a neighbour's number from meaning a vertex of the next row.
    extent = places.max(axis=1) + 3
    steps = np.concatenate((np.cumprod(extent[:0:-1])[::-1], [1]))
    codes, vertex = np.unique(steps @ (places + 1), return_inverse=True)
    count = len(codes)
    blurs = []
    for step in steps:
        right = np.searchsorted(codes, codes + step)
        hit = np.flatnonzero(codes[np.minimum(right, count - 1)] == codes + step)
        links = sp.csr_matrix((np.ones(len(hit)), (hit, right[hit])), shape=(count, count))
        blurs.append(links + links.T)
    return vertex.ravel(), count, blurs


def _blur(blurs: list[sp.csr_matrix], y: Array) -> Array:
    """[1 2 1] along each axis, summed."""
    total: Array = 2.0 * len(blurs) * y
    for links in blurs:
        total = total + links @ y
    return total


def _bistochastize(
    vertex: npt.NDArray[np.int64], count: int, blurs: list[sp.csr_matrix]
) -> tuple[Array, Array]:
    """Diagonals n and m (algorithm 1 of the paper): diag(n) B diag(n) has the row sums m."""
    m = np.bincount(vertex, minlength=count).astype(np.float64)
    n = np.ones(count)
    for _ in range(10):
        n = np.sqrt(n * m / _blur(blurs, n))
    return n, n * _blur(blurs, n)
