"""What a dense variant is, and the attention that several share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ovseg.encoders.base import FeatureKey
from ovseg.encoders.clip.tower import BlockParts, Grid, Tower
from ovseg.registry import Registry

Guide = Mapping[FeatureKey, torch.Tensor]


@dataclass(frozen=True)
class Before:
    """What a variant starts from.

    Attributes:
        tower: The image tower.
        tokens: (B, prefix + h * w, D) input of the last block, or of the first where the variant goes through
            the blocks itself.
        grid: (h, w) of the patches.
        guide: (B, h', w', D') features of the backbone, for each key that the variant asks for.
    """

    tower: Tower
    tokens: torch.Tensor
    grid: Grid
    guide: Guide

    @property
    def last(self) -> BlockParts:
        """The last block."""
        return self.tower.blocks[-1]

    def words(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, prefix + h * w, D) outputs of the last block to the (B, h, w, E) words of the patches alone."""
        patches = tokens[:, self.tower.prefix :]
        return self.tower.to_words(patches).reshape(len(tokens), *self.grid, -1)


@dataclass(frozen=True)
class DenseVariant:
    """One published way to features of patches.

    Attributes:
        name: What users call it.
        paper: Where it is from.
        compute: From what comes before the last block to (B, h, w, E) features of patches in the space of
            words. The grid is the image's, or the guide's where there is one.
        guide: Layers and facets of the backbone that it needs.
        from_first: Whether it goes through the blocks itself.
    """

    name: str
    paper: str
    compute: Callable[[Before], torch.Tensor]
    guide: tuple[FeatureKey, ...] = ()
    from_first: bool = False

    def read(self, tower: Tower, images: torch.Tensor, guide: Guide) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1] to (B, h, w, E) features of patches, as ``compute`` gives them."""
        tokens, grid = tower.entering(images, first=self.from_first)
        return self.compute(Before(tower, tokens, grid, guide))


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
    parts = []
    for rows in _turns(query.shape[-2]):
        mask = bias(rows).to(query.dtype)
        parts.append(F.scaled_dot_product_attention(query[:, :, rows], key, value, attn_mask=mask))
    return torch.cat(parts, dim=2)


def joined_values(before: Before, tokens: torch.Tensor, grid: Grid) -> torch.Tensor:
    """(B, N, D) values of the patches, heads side by side, bilinear on another grid of N = h' * w' patches.

    Attention that is the same for all heads may mix them joined.

    Args:
        before: Of which the last block gives the values.
        tokens: (B, prefix + h * w, D), which enter it.
        grid: (h', w').
    """
    _, _, value = before.last.project(tokens)
    joined = value[:, :, before.tower.prefix :].transpose(1, 2).flatten(2)
    if grid == before.grid:
        return joined
    planes = joined.transpose(1, 2).reshape(len(joined), -1, *before.grid)
    planes = F.interpolate(planes.float(), size=grid, mode="bilinear", align_corners=False)
    return planes.flatten(2).transpose(1, 2).to(joined.dtype)


def mixed(
    before: Before,
    tokens: Sequence[torch.Tensor],
    weights: Callable[[slice], torch.Tensor],
    grid: Grid,
) -> list[torch.Tensor]:
    """Words of patches whose values are mixed by weights that all heads share; no residual, no feed-forward.

    Args:
        before: Of which the last block mixes.
        tokens: (B, prefix + h * w, D) each, which enter it; the weights are computed once for all of them.
        weights: Rows of patches to their (B, rows, N) weights over all patches.
        grid: (h', w') of the N patches.

    Returns:
        (B, h', w', E) for each of ``tokens``.
    """
    values = torch.cat([joined_values(before, one, grid) for one in tokens], dim=-1)
    out = torch.cat([weights(row).to(values.dtype) @ values for row in _turns(values.shape[1])], dim=1)
    # The merge takes heads apart from each other; joined values are one head as wide as all.
    merged = (before.last.merge(part[:, None]) for part in out.chunk(len(tokens), dim=-1))
    return [before.tower.to_words(patches).reshape(len(patches), *grid, -1) for patches in merged]


def _turns(length: int) -> list[slice]:
    """Rows of a (length, length) matrix in turns of at most ``ROWS`` entries."""
    step = max(1, ROWS // length)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]
