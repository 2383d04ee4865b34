"""What a dense variant is, and the attention that several share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ovseg.encoders.base import GuideKey
from ovseg.encoders.clip.tower import Grid, LastBlock
from ovseg.registry import Registry

Guide = Mapping[GuideKey, torch.Tensor]


@dataclass(frozen=True)
class Before:
    """What a variant starts from.

    Attributes:
        tokens: (B, prefix + h * w, D) input of the last block.
        grid: (h, w) of the cells.
        prefix: Tokens before them.
        last: The block in parts.
        guide: (B, h', w', D') features of the shape encoder, for each key that the variant asks for.
    """

    tokens: torch.Tensor
    grid: Grid
    prefix: int
    last: LastBlock
    guide: Guide

    def cells(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, prefix + h * w, D) to (B, h, w, D): the cells alone."""
        return tokens[:, self.prefix :].reshape(len(tokens), *self.grid, -1)


@dataclass(frozen=True)
class DenseVariant:
    """One published way to features of cells.

    Attributes:
        name: What users call it.
        paper: Where it is from.
        compute: From what comes before the last block to (B, h, w, D) cells after it. The grid is the
            image's, or the guide's where there is one.
        guide: Layers and facets of the shape encoder that it needs.
    """

    name: str
    paper: str
    compute: Callable[[Before], torch.Tensor]
    guide: tuple[GuideKey, ...] = ()


DENSE_VARIANTS: Registry[DenseVariant] = Registry("dense variant")


def file_variant(variant: DenseVariant) -> DenseVariant:
    """Register a variant under its name."""
    return DENSE_VARIANTS.register(variant.name)(variant)


Bias = Callable[[slice], torch.Tensor]

ROWS = 1 << 22
"""Entries of a bias that are held at a time: more queries than fit are taken in turns."""


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: Bias | None = None
) -> torch.Tensor:
    """softmax(query keyᵀ / sqrt(d) + bias) value, without an (L, L) matrix per head.

    Args:
        query: (B, heads, L, d).
        key: Likewise.
        value: Likewise.
        bias: Rows of queries to (rows, L) of what is added to all heads' logits, or None.
    """
    if bias is None:
        return F.scaled_dot_product_attention(query, key, value)
    length = query.shape[-2]
    step = max(1, ROWS // length)
    parts = []
    for start in range(0, length, step):
        rows = slice(start, min(start + step, length))
        mask = bias(rows).to(query.dtype)
        parts.append(F.scaled_dot_product_attention(query[:, :, rows], key, value, attn_mask=mask))
    return torch.cat(parts, dim=2)


def joined_values(before: Before, grid: Grid) -> torch.Tensor:
    """(B, N, D) values of the cells, heads side by side, bilinear on another grid of N = h' * w' cells.

    Attention that is the same for all heads may mix them joined.
    """
    _, _, value = before.last.project(before.tokens)
    joined = value[:, :, before.prefix :].transpose(1, 2).flatten(2)
    if grid == before.grid:
        return joined
    planes = joined.transpose(1, 2).reshape(len(joined), -1, *before.grid)
    planes = F.interpolate(planes.float(), size=grid, mode="bilinear", align_corners=False)
    return planes.flatten(2).transpose(1, 2).to(joined.dtype)


def mixed(before: Before, weights: Callable[[slice], torch.Tensor], grid: Grid) -> torch.Tensor:
    """(B, h', w', D) cells whose values are mixed by weights that all heads share; no residual.

    Args:
        before: What the values come from.
        weights: Rows of cells to their (B, rows, N) weights over all cells.
        grid: (h', w') of the N cells.
    """
    values = joined_values(before, grid)
    length = values.shape[1]
    step = max(1, ROWS // length)
    rows = (slice(start, min(start + step, length)) for start in range(0, length, step))
    out = torch.cat([weights(row).to(values.dtype) @ values for row in rows], dim=1)
    # The merge takes heads apart from each other; joined values are one head as wide as all.
    return before.last.merge(out[:, None]).reshape(len(out), *grid, -1)
