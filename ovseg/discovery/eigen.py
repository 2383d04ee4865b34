"""Second smallest eigenvector of the normalized cut, by Lanczos on the normalized affinity.

Normalized cut (Shi & Malik, PAMI 2000) asks for the second smallest ``x`` of ``(D - W) x = λ D x``. With
``x = D^-½ z`` that is the second largest ``z`` of ``M = D^-½ W D^-½``, whose largest is known beforehand
(``D^½ 1``, eigenvalue 1) and is projected out. Patch features of self-supervised transformers leave a wide
gap behind the second one, so that a Krylov space of some ten products holds it; every vector is made
orthogonal to all before it, twice (Parlett, *The Symmetric Eigenvalue Problem*, section 13.8), which float32
needs and which costs next to nothing beside the products.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ovseg.discovery.affinity import Affinity, build_affinity, images_at_once
from ovseg.discovery.config import EigenConfig

__all__ = ["Eigenpairs", "eigenvectors", "second_eigenvectors"]

FLOOR = 2e-6
"""Residuals below this are float32 rounding."""
_DEAD = -2.0
"""Stands on the diagonal of directions that the Krylov space does not have; below every eigenvalue of M."""


@dataclass(frozen=True)
class Eigenpairs:
    """Smallest generalized eigenpairs of a batch, without the constant one.

    Attributes:
        vectors: (B, N, k) float32, ``x`` of ``(D - W) x = λ D x``; 0 on cells left out. The sign is
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
    ``config.angle``, the residual itself below ``config.residual``, and at most ``config.flips`` of its cells
    changed sides of the mean since the last look.

    Args:
        affinity: Of B images with N cells.
        count: k, at least 1. An image of N kept cells has N - 1; missing ones come back as zeros with λ = 1.
        keep: (B, N) bool, cells that take part (all by default): the cut of the graph that they span.
        config: Accuracy and seed.

    Raises:
        ValueError: ``keep`` is of another shape, or an image keeps no cell.
    """
    with torch.inference_mode():
        found = _lanczos(affinity, count, keep, config or EigenConfig())
    # Tensors of inference mode refuse to be changed in place: what is handed out are plain ones.
    return Eigenpairs(**{name: value.clone() for name, value in vars(found).items()})


def _lanczos(affinity: Affinity, count: int, keep: Tensor | None, config: EigenConfig) -> Eigenpairs:
    """See `eigenvectors`. Vectors are columns (B, N, 1); what is saved here is calls, not arithmetic."""
    batch, size, device = affinity.batch, affinity.size, affinity.device
    weight = torch.ones(batch, size, device=device) if keep is None else keep.to(device, torch.float32)
    if weight.shape != (batch, size) or not bool(weight.any(dim=1).all()):
        raise ValueError(
            f"expected keep of shape {(batch, size)} with a cell an image, got {tuple(weight.shape)}"
        )
    weight = weight[..., None]
    degree = affinity.product(weight)
    inverse_root = weight * degree.rsqrt()
    first = weight * degree.sqrt()
    limit = min(config.max_steps, size - 1)
    basis = torch.empty(batch, limit + 2, size, device=device)
    torch.div(first, first.norm(dim=1, keepdim=True), out=basis[:, 0, :, None])
    generator = torch.Generator().manual_seed(config.seed)
    start = torch.randn(size, generator=generator).to(device)[:, None]
    _extend(basis, 1, start * first)
    diagonal: list[Tensor] = []
    lengths: list[Tensor] = []
    looker = _Looker(inverse_root, weight[..., 0].bool(), count, config)
    for step in range(1, limit + 1):
        image = affinity.product(inverse_root * basis[:, step, :, None]).mul_(inverse_root)
        along, length = _extend(basis, step + 1, image)
        diagonal.append(along)
        lengths.append(length)
        due = step >= config.first_look and (step - config.first_look) % config.look_every == 0
        if (due or step == limit) and looker.done(basis[:, 1 : step + 1], diagonal, lengths):
            break
    return looker.result(batch, size, device)


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


def _extend(basis: Tensor, step: int, vector: Tensor) -> tuple[Tensor, Tensor]:
    """Make row ``step`` of ``basis`` the direction of ``vector`` (B, N, 1) beside the rows before it.

    Returns:
        (B,) share of the last row in it, and (B,) length of what was beside them. Without any (a constant
        image, as many steps as cells) the Krylov space is exhausted: this row and all after it are zeros.
    """
    rows = basis[:, :step]
    share = torch.bmm(rows, vector)
    along = share[:, -1, 0]
    vector = torch.baddbmm(vector, rows.transpose(1, 2), share, alpha=-1)
    vector = torch.baddbmm(vector, rows.transpose(1, 2), torch.bmm(rows, vector), alpha=-1)
    length = vector.norm(dim=1, keepdim=True)
    scale = torch.where(length > FLOOR, length.reciprocal(), 0.0)
    torch.mul(vector, scale, out=basis[:, step, :, None])
    return along, length[:, 0, 0]


class _Looker:
    """Rayleigh-Ritz on the Krylov space, and the decision whether it is good enough."""

    def __init__(self, inverse_root: Tensor, keep: Tensor, count: int, config: EigenConfig) -> None:
        self.inverse_root = inverse_root
        self.keep = keep
        self.count = count
        self.config = config
        self.sides: Tensor | None = None
        self.found: Eigenpairs | None = None

    def done(self, basis: Tensor, diagonal: list[Tensor], lengths: list[Tensor]) -> bool:
        steps = basis.shape[1]
        # float64 on the CPU: the matrices are tiny, and not every accelerator has it.
        alpha = torch.stack(diagonal, dim=1).cpu().double()
        beta = torch.stack(lengths, dim=1).cpu().double()
        alive = beta > FLOOR
        beta = beta * alive
        alpha[:, 1:] = torch.where(alive[:, :-1], alpha[:, 1:], _DEAD)
        tridiagonal = torch.diag_embed(alpha)
        if steps > 1:
            tridiagonal += torch.diag_embed(beta[:, :-1], 1) + torch.diag_embed(beta[:, :-1], -1)
        ritz, rotation = torch.linalg.eigh(tridiagonal)
        taken = min(self.count, steps)
        top, rotation = ritz.flip(1), rotation.flip(2)[:, :, :taken]
        residual = (beta[:, -1:] * rotation[:, -1]).abs().amax(dim=1)
        beyond = top[:, taken] if steps > taken else torch.full_like(top[:, 0], -1.0)
        gap = top[:, taken - 1] - beyond
        z = basis.transpose(1, 2) @ rotation.to(basis.dtype).to(basis.device)
        vectors = _fix_sign(self.inverse_root * z)
        close = (residual <= self.config.angle * gap) & (residual <= self.config.residual)
        close |= residual <= FLOOR
        close &= self._steady(vectors[..., 0])
        missing = self.count - taken
        vectors = torch.nn.functional.pad(vectors, (0, missing))
        values = torch.nn.functional.pad(1 - top[:, :taken], (0, missing), value=1.0)
        before = self.found
        made = torch.full_like(close, steps, dtype=torch.int64)
        # The count of steps stands still once an image has converged.
        made = made if before is None else torch.where(before.converged, before.steps, made)
        self.found = Eigenpairs(vectors, values, gap, residual, made, close)
        return bool(close.all())

    def _steady(self, vector: Tensor) -> Tensor:
        """(B,) bool: no more cells changed sides of the mean since the last look than allowed."""
        cells = self.keep.sum(dim=1)
        mean = (vector * self.keep).sum(dim=1) / cells
        sides = (vector > mean[:, None]) & self.keep
        before, self.sides = self.sides, sides
        if before is None:
            return torch.zeros(len(vector), dtype=torch.bool)
        changed = (sides != before).sum(dim=1)
        changed = torch.minimum(changed, cells - changed)
        return (changed <= self.config.flips * cells).cpu()

    def result(self, batch: int, size: int, device: torch.device) -> Eigenpairs:
        if self.found is not None:
            return self.found
        # One cell: there is no second eigenvector.
        return Eigenpairs(
            torch.zeros(batch, size, self.count, device=device),
            torch.ones(batch, self.count, dtype=torch.float64),
            torch.zeros(batch, dtype=torch.float64),
            torch.zeros(batch, dtype=torch.float64),
            torch.zeros(batch, dtype=torch.int64),
            torch.ones(batch, dtype=torch.bool),
        )


def _fix_sign(vectors: Tensor) -> Tensor:
    """Make the entry of largest magnitude of each column of (B, N, k) positive."""
    largest = vectors.abs().argmax(dim=1, keepdim=True)
    return vectors * torch.where(vectors.gather(1, largest) < 0, -1.0, 1.0)
