"""Marks grown to regions: what a person touched, carried on to the cells that belong to it.

Where cells of the class are marked, every cell goes with the mark that it is most like. A box marks none of
them: there likely cells are taken as seeds, and the random walker (Grady, TPAMI 2006) decides on the rest:
each cell belongs to the kind that a walk from it, along edges weighted by likeness and nearness, reaches
first. From a point, of which there is one against many, the walker reaches too little; from boxes it keeps
more of the object than the other rule.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["box_seeds", "liker_cells", "walk"]

SHARPNESS = 24.0
"""Inverse temperature of likeness in the weight of an edge."""
REACH = 6.0
"""Distance in cells over which an edge loses a factor e in weight."""
SEEDS = 0.25
"""Share of the cells that are taken as seeds of what nobody marked."""


def walk(tokens: Tensor, grid: tuple[int, int], inside: Tensor, outside: Tensor) -> Tensor:
    """Probability that a walk from each cell reaches a mark of the class before one of the rest.

    Args:
        tokens: (N, D) features that group what belongs together within the image.
        grid: (h, w).
        inside: (N,) bool, cells marked as the class, at least one.
        outside: (N,) bool, cells marked as not the class, at least one.

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
    """(N,) bool: the quarter of the cells inside a box that are least like anything outside it."""
    units = F.normalize(tokens.float(), dim=1)
    near = (units @ units[outside].T).max(dim=1).values.masked_fill(outside, torch.inf)
    return _least(near, int((~outside).sum()))


def liker_cells(tokens: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """(N,) bool: cells that are liker to a mark of the class than to any other mark.

    Where nothing is marked as not the class, the quarter of the cells that are least like the class stands
    for it, and a cell must be liker to the class than halfway between the two.

    Args:
        tokens: (N, D) features that group what belongs together within the image.
        inside: (N,) bool, cells marked as the class, at least one.
        outside: (N,) bool, cells marked as not the class.
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
