"""Marks grown to regions: what a person touched, carried on to the patches that belong to it.

There are two rules. Where patches of the class are marked (points, scribbles), every patch goes with the mark
whose feature it is most like (`nearest_annotated_patches`). A box marks no patch of the class, only patches
outside it that are not: there the patches least like the outside are taken as seeds (`box_seeds`), and the
random walker (Grady, TPAMI 2006; `walk`) decides on the rest: a patch belongs to the kind of mark, class or
not, that a random walk from it reaches first, along edges weighted by likeness and nearness.

Each rule is used where it does better: a single point against many marked patches of the rest attracts too
few walks, so that the walker keeps too little of the object; from boxes the walker keeps more of it than the
nearest mark does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["box_seeds", "nearest_annotated_patches", "walk"]

SHARPNESS = 24.0
"""Inverse temperature of likeness in the weight of an edge."""
REACH = 6.0
"""Distance in patches over which an edge loses a factor e in weight."""
SEEDS = 0.25
"""Share of the patches that are taken as seeds of what nobody marked."""


def walk(tokens: Tensor, grid: tuple[int, int], inside: Tensor, outside: Tensor) -> Tensor:
    """Probability that a walk from each patch reaches a mark of the class before one of the rest.

    Args:
        tokens: (N, D) features that group what belongs together within the image.
        grid: (h, w).
        inside: (N,) bool, patches marked as the class, at least one.
        outside: (N,) bool, patches marked as not the class, at least one.

    Returns:
        (N,) float32 in [0, 1]; 1 on ``inside``, 0 on ``outside``.

    Raises:
        ValueError: One of the two kinds of marks is missing.
    """
    if not bool(inside.any()) or not bool(outside.any()):
        raise ValueError("growing needs a cell of either kind")
    weights = _weights(tokens, grid)
    free = ~(inside | outside)
    result = inside.float()
    if not bool(free.any()):
        return result
    degrees = weights.sum(dim=1)
    system = torch.diag(degrees[free]) - weights[free][:, free]
    pull = weights[free][:, inside].sum(dim=1)
    result[free] = torch.linalg.solve(system, pull).clamp(0, 1).float()
    return result


def box_seeds(tokens: Tensor, outside: Tensor) -> Tensor:
    """(N,) bool: the quarter of the patches inside a box that are least like anything outside it."""
    units = F.normalize(tokens.float(), dim=1)
    near = (units @ units[outside].T).max(dim=1).values.masked_fill(outside, torch.inf)
    return _least(near, int((~outside).sum()))


def nearest_annotated_patches(tokens: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """(N,) bool: patches whose nearest mark, by the cosine of their features, is one of the class.

    Where nothing is marked as not the class, the mean of the quarter of the patches that are least like the
    class stands for that, and a patch must be more like the class than halfway between this mean and the
    marks.

    Args:
        tokens: (N, D) features that group what belongs together within the image.
        inside: (N,) bool, patches marked as the class, at least one.
        outside: (N,) bool, patches marked as not the class.
    """
    units = F.normalize(tokens.float(), dim=1)
    near = (units @ units[inside].T).max(dim=1).values
    if bool(outside.any()):
        far = (units @ units[outside].T).max(dim=1).values
    else:
        least = units[near.argsort(stable=True)[: max(1, round(SEEDS * len(near)))]]
        far = (units @ F.normalize(least.mean(dim=0), dim=0) + near.max()) / 2
    return ((near > far) | inside) & ~outside


def _least(values: Tensor, candidates: int) -> Tensor:
    count = min(candidates, max(1, round(SEEDS * candidates)))
    chosen = torch.zeros(len(values), dtype=torch.bool, device=values.device)
    chosen[values.argsort(stable=True)[:count]] = True
    return chosen


def _weights(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(N, N) float64 weights of edges: likeness of features, faded with distance; 0 to oneself."""
    units = F.normalize(tokens.double(), dim=1)
    rows, columns = torch.meshgrid(
        torch.arange(grid[0], dtype=torch.float64, device=tokens.device),
        torch.arange(grid[1], dtype=torch.float64, device=tokens.device),
        indexing="ij",
    )
    places = torch.stack([rows.flatten(), columns.flatten()], dim=1)
    weights = torch.exp(SHARPNESS * (units @ units.T - 1) - torch.cdist(places, places) / REACH)
    return weights.fill_diagonal_(0)
