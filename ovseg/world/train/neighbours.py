"""A vision transformer that starts as a convolution: each head looks at one neighbour of its cell.

Learning from a few ten thousand pictures, a transformer spends most of them on finding out that cells
next to each other belong together. Its queries and keys are therefore begun so that head h attends to the
cell at offset h of a 3 × 3 neighbourhood: "Structured initialization for attention in vision
transformers" (Zheng et al., 2024), after "On the relationship between self-attention and convolutional
layers" (Cordonnier et al., ICLR 2020). Nothing is fixed: training changes all of it.
"""

from __future__ import annotations

import math
from typing import Any

import torch

OFFSETS = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, -1), (-1, 1))
"""(row, column) of the neighbour that each of eight heads looks at."""

SHARPNESS = 3.0
"""Factor on queries and keys: how much of its attention a head gives to its neighbour."""


def waves(grid: int, width: int) -> torch.Tensor:
    """(grid² cells, width) positions as cosines and sines of rows and columns."""
    count = width // 4
    rows, columns = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    frequency = 2 * math.pi * torch.arange(1, count + 1) / (2 * grid)
    angles = torch.cat([axis.flatten()[:, None] * frequency for axis in (rows, columns)], 1)
    return torch.cat([angles.cos(), angles.sin()], 1)


def turn(offset: tuple[int, int], grid: int, width: int) -> torch.Tensor:
    """(width, width) matrix that carries a position's waves to those of the position at an offset."""
    count = width // 4
    frequency = 2 * math.pi * torch.arange(1, count + 1) / (2 * grid)
    angles = torch.cat([step * frequency for step in offset])
    cos, sin = torch.diag(angles.cos()), torch.diag(angles.sin())
    return torch.cat([torch.cat([cos, -sin], 1), torch.cat([sin, cos], 1)])


@torch.no_grad()
def begin_as_neighbours(visual: Any) -> None:
    """Set up an open_clip ``VisionTransformer`` of eight heads; its tokens' first dimensions hold the waves.

    Args:
        visual: Changed in place.
    """
    grid = int(visual.grid_size[0])
    for_waves = visual.conv1.out_channels // len(OFFSETS)
    visual.conv1.weight[:for_waves] = 0
    visual.conv1.weight *= 2
    visual.class_embedding *= 0.5
    visual.class_embedding[:for_waves] = 0
    visual.positional_embedding.mul_(0.3)
    visual.positional_embedding[:, :for_waves] = 0
    visual.positional_embedding[1:, :for_waves] = waves(grid, for_waves)
    for block in visual.transformer.resblocks[:-1]:
        width = block.attn.embed_dim
        query, key = block.attn.in_proj_weight[:width], block.attn.in_proj_weight[width : 2 * width]
        query.mul_(0.3)
        key.mul_(0.3)
        for head, offset in enumerate(OFFSETS):
            rows = slice(head * for_waves, (head + 1) * for_waves)
            query[rows, :for_waves] = SHARPNESS * turn(offset, grid, for_waves)
            key[rows, :for_waves] = SHARPNESS * torch.eye(for_waves)
        # What is written back leaves the waves as they are.
        block.attn.out_proj.weight[:for_waves] = 0
        block.mlp.c_proj.weight[:for_waves] = 0
