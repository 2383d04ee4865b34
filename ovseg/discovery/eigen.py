"""Second smallest eigenvector of the normalized cut, by Lanczos on the normalized affinity.

Normalized cut (Shi & Malik, PAMI 2000) asks for the second smallest ``x`` of ``(D - W) x = λ D x``. With
``x = D^-½ z`` that is the second largest ``z`` of ``M = D^-½ W D^-½``, whose largest is known beforehand
(``D^½ 1``, eigenvalue 1) and is projected out. Patch features of self-supervised transformers leave a wide
gap behind the second one, so that a Krylov space of some ten products holds it; every vector is made
orthogonal to all before it, twice (Parlett, *The Symmetric Eigenvalue Problem*, section 13.8), which float32
needs and which costs next to nothing beside the products.

A Krylov space has one vector of each eigenvalue. Where parts are hardly linked at all, eigenvalues coincide
in float32 and the space is exhausted early: where more vectors are asked for, it goes on from another start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ovseg.discovery.affinity import Affinity, Array, build_affinity, images_at_once
from ovseg.discovery.config import EigenConfig

__all__ = ["Eigenpairs", "eigenvectors", "second_eigenvectors"]

Double = npt.NDArray[np.float64]

FLOOR = 2e-6
"""Residuals below this are float32 rounding."""
_NEW = 1e-3
"""Share of a new start that must lie outside the space: less is rounding."""
_DEAD = -2.0
"""Stands on the diagonal of directions that the Krylov space does not have; below every eigenvalue of M."""


@dataclass(frozen=True)
class Eigenpairs:
    """Smallest generalized eigenpairs of a batch, without the constant one.

    Attributes:
        vectors: (B, N, k) float32, ``x`` of ``(D - W) x = λ D x``; 0 on patches left out. The sign is
            fixed: the entry of largest magnitude is positive.
        values: (B, k) float64, λ in [0, 2], ascending.
        gap: (B,) float64, distance from the last of ``values`` to the next eigenvalue (an estimate).
        residual: (B,) float64, largest ‖M z - (1 - λ) z‖ for unit z.
        steps: (B,) int64, products that the solution took.
        converged: (B,) bool.
    """

    vectors: Tensor
    values: Tensor
    gap: Tensor
    residual: Tensor
    steps: Tensor
    converged: Tensor


def eigenvectors(
    affinity: Affinity, count: int = 1, *, keep: Tensor | None = None, config: EigenConfig | None = None
) -> Eigenpairs:
    """The ``count`` smallest generalized eigenvectors after the constant one.

    An image is done when the angle to the eigenvectors, estimated as residual over gap, is below
    ``config.angle``, the residual itself below ``config.residual``, and at most ``config.flips`` of its
    patches changed sides of the mean since the last look.

    Args:
        affinity: Of B images with N patches.
        count: k, at least 1. An image of N kept patches has N - 1; missing ones come back as zeros with λ =
            1.
        keep: (B, N) bool, patches that take part (all by default): the cut of the graph that they span.
        config: Accuracy and seed.

    Raises:
        ValueError: ``keep`` is of another shape, or an image keeps no patch.
    """
    config = config or EigenConfig()
    batch, size, device = affinity.batch, affinity.size, affinity.device
    kept = torch.ones(batch, size, dtype=torch.bool, device=device) if keep is None else keep.to(device)
    if kept.shape != (batch, size) or not bool(kept.any(dim=1).all()):
        raise ValueError(
            f"expected keep of shape {(batch, size)} with a cell an image, got {tuple(kept.shape)}"
        )
    weight = kept.to(torch.float32)
    noise = torch.randn(size, generator=torch.Generator().manual_seed(config.seed)).expand(batch, size)
    basis = torch.empty(batch, min(config.max_steps, size - 1) + 2, size, device=device)
    if device.type == "cpu":
        return _lanczos(affinity.times, weight.numpy(), noise.numpy(), basis.numpy(), count, config)
    with torch.inference_mode():
        found = _lanczos(affinity.times, weight, noise.to(device), basis, count, config)
    # Tensors of inference mode refuse to be changed in place: what is handed out are plain ones.
    return Eigenpairs(**{name: value.clone() for name, value in vars(found).items()})


def second_eigenvectors(
    features: Tensor, tau: float, epsilon: float = 1e-5, *, config: EigenConfig | None = None
) -> Tensor:
    """Second smallest generalized eigenvectors of images of one size, (B, N, D) -> (B, N) float32.

    As many images are solved together as fit in memory on an accelerator, one after the other on the CPU.

    Raises:
        ValueError: As `build_affinity`.
    """
    together = 1 if features.device.type == "cpu" else images_at_once(features.shape[1])
    return torch.cat(
        [
            eigenvectors(build_affinity(part, tau, epsilon), config=config).vectors[..., 0]
            for part in torch.split(features, together)
        ]
    )


def _lanczos(
    times: Callable[[Array], Array],
    weight: Array,
    noise: Array,
    basis: Array,
    count: int,
    config: EigenConfig,
) -> Eigenpairs:
    """See `eigenvectors`. Vectors are rows (B, N); ``basis`` (B, limit + 2, N) is there to be filled."""
    degree = times(weight)
    inverse_root = weight * degree**-0.5
    first = degree * inverse_root
    basis[:, 0] = first / _length(first)[:, None]
    # Objects differ from the rest in degree, which spares a product or two; the noise leaves nothing out.
    mean = (degree * weight).sum(1) / weight.sum(1)
    _extend(basis, 1, (degree / mean[:, None] - 1 + 0.1 * noise) * first)
    batch, limit = len(basis), basis.shape[1] - 2
    diagonal: list[Array] = []
    lengths: list[Array] = []
    fresh: list[npt.NDArray[np.bool_]] = []
    # One patch has no second eigenvector, and is done.
    ritz = _Ritz(np.zeros((batch, 0)), np.zeros((batch, 0, 0)), np.zeros(batch), np.zeros(batch))
    converged = np.full(batch, limit == 0)
    starts = np.ones(batch, np.int64)
    steps = np.zeros(batch, np.int64)
    for step in range(1, limit + 1):
        along, length = _extend(basis, step + 1, times(inverse_root * basis[:, step]) * inverse_root)
        diagonal.append(along)
        lengths.append(length)
        fresh.append(np.zeros(batch, bool))
        # Lengths are read at every step, which an accelerator is slow at, only where it may matter.
        if count > 1 and (again := (_double([length])[:, 0] <= FLOOR) & (starts < count)).any():
            fresh[-1] = _start_again(basis, step + 1, again, noise * weight, step)
            starts += again
        due = step >= config.first_look and (step - config.first_look) % config.look_every == 0
        if not due and step < limit:
            continue
        ritz = _Ritz.of(diagonal, lengths, fresh, count)
        # The count of steps stands still once an image has converged.
        steps = np.where(converged, steps, step)
        converged = (ritz.residual <= config.angle * ritz.gap) & (ritz.residual <= config.residual)
        converged |= ritz.residual <= FLOOR
        # An eigenvalue that occurs m times shows in m spaces.
        converged &= (starts == 1) | (starts >= count) if count > 1 else True
        if converged.any() and step > config.look_every:
            before = slice(-config.look_every)
            earlier = _Ritz.of(diagonal[before], lengths[before], fresh[before], 1)
            one, other = (_sides(_vectors(basis, inverse_root, r)[:, 0], weight) for r in (ritz, earlier))
            patches, changed = _double([weight.sum(1), (one != other).sum(1)]).T
            converged &= np.minimum(changed, patches - changed) <= config.flips * patches
        if converged.all():
            break
    vectors = torch.as_tensor(_vectors(basis, inverse_root, ritz)).transpose(1, 2)
    missing = count - vectors.shape[2]
    values = np.pad(1 - ritz.values, ((0, 0), (0, missing)), constant_values=1.0)
    return Eigenpairs(
        torch.nn.functional.pad(_fix_sign(vectors), (0, missing)),
        *(torch.from_numpy(found) for found in (values, ritz.gap, ritz.residual, steps, converged)),
    )


def _extend(basis: Array, step: int, vector: Array) -> tuple[Array, Array]:
    """Make row ``step`` of ``basis`` the direction of ``vector`` (B, N) beside the rows before it.

    ``vector`` is used up.

    Returns:
        (B,) share of the last row in it, and (B,) length of what was beside them. Without any (a constant
        image, as many steps as patches) the Krylov space is exhausted: this row and all after it are zeros.
    """
    rows = basis[:, :step]
    share = (rows @ vector[..., None])[..., 0]
    vector -= (share[:, None] @ rows)[:, 0]
    again = (rows @ vector[..., None])[..., 0]
    vector -= (again[:, None] @ rows)[:, 0]
    length = _length(vector)
    basis[:, step] = vector * ((length > FLOOR) / length.clip(FLOOR))[:, None]
    return share[:, -1], length


def _start_again(
    basis: Array, step: int, images: npt.NDArray[np.bool_], noise: Array, shift: int
) -> npt.NDArray[np.bool_]:
    """Give row ``step`` of ``basis`` a new direction in those images (B,); returns where there is one."""
    fresh = np.roll(noise, shift, 1) if isinstance(noise, np.ndarray) else torch.roll(noise, shift, 1)
    before = basis[:, step] + 0
    _, length = _extend(basis, step, fresh / _length(fresh)[:, None])
    found: npt.NDArray[np.bool_] = images & (_double([length])[:, 0] > _NEW)
    for image in np.flatnonzero(~found):
        basis[int(image), step] = before[int(image)]
    return found


def _length(vector: Array) -> Array:
    """(B,) Euclidean lengths of (B, N)."""
    found: Array = (vector * vector).sum(1) ** 0.5
    return found


@dataclass(frozen=True)
class _Ritz:
    """The largest eigenpairs of M within the Krylov spaces of a batch.

    Attributes:
        values: (B, taken) descending; fewer than asked for where the space has fewer dimensions.
        rotation: (B, taken, steps), their vectors in the basis.
        gap: (B,) from the last of ``values`` to the one after it.
        residual: (B,) largest of them.
    """

    values: Double
    rotation: Double
    gap: Double
    residual: Double

    @classmethod
    def of(
        cls,
        diagonal: list[Array],
        lengths: list[Array],
        fresh: list[npt.NDArray[np.bool_]],
        count: int,
    ) -> _Ritz:
        """From the entries (B,) of tridiagonal matrices at each step, and where that was a new start."""
        alpha, beta = _double(diagonal), _double(lengths)
        batch, steps = alpha.shape
        alive = beta > FLOOR
        beta = beta * alive
        alive |= np.stack(fresh, axis=1)
        alpha[:, 1:] = np.where(alive[:, :-1], alpha[:, 1:], _DEAD)
        matrix = np.zeros((batch, steps, steps))
        at = np.arange(steps)
        matrix[:, at, at] = alpha
        matrix[:, at[1:], at[:-1]] = beta[:, :-1]  # eigh reads the lower triangle
        ritz, vectors = np.linalg.eigh(matrix)
        taken = min(count, steps)
        top = ritz[:, ::-1]
        rotation = vectors[:, :, ::-1][:, :, :taken].transpose(0, 2, 1)
        residual = np.abs(beta[:, -1:] * rotation[:, :, -1]).max(axis=1)
        beyond = top[:, taken] if steps > taken else -1.0
        return cls(top[:, :taken], rotation, top[:, taken - 1] - beyond, residual)


def _vectors(basis: Array, inverse_root: Array, ritz: _Ritz) -> Array:
    """(B, taken, N) generalized eigenvectors."""
    rotation = ritz.rotation.astype(np.float32)
    rows = basis[:, 1 : rotation.shape[2] + 1]
    turned = (
        rotation @ rows if isinstance(rows, np.ndarray) else torch.from_numpy(rotation).to(rows.device) @ rows
    )
    return turned * inverse_root[:, None]


def _sides(vector: Array, weight: Array) -> Array:
    """(B, N) bool: the kept patches above the mean of the kept patches."""
    mean = (vector * weight).sum(1) / weight.sum(1)
    found: Array = (vector > mean[:, None]) & (weight > 0)
    return found


def _double(values: list[Array]) -> Double:
    """(B, len(values)) of vectors (B,): in float64, which not every accelerator has, on the CPU."""
    if isinstance(values[0], Tensor):
        return torch.stack(values, dim=1).cpu().double().numpy()
    return np.stack(values, axis=1).astype(np.float64)


def _fix_sign(vectors: Tensor) -> Tensor:
    """Make the entry of largest magnitude of each column of (B, N, k) positive."""
    largest = vectors.abs().argmax(dim=1, keepdim=True)
    return vectors * torch.where(vectors.gather(1, largest) < 0, -1.0, 1.0)
