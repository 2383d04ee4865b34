"""Dense variants: their inputs, their registry, and the attention that several share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ovseg.encoders.base import FeatureKey
from ovseg.encoders.clip.tower import Grid, Tower, TransformerBlock
from ovseg.registry import Registry

ProxyFeatures = Mapping[FeatureKey, torch.Tensor]
"""(B, h', w', D') features of the backbone by layer and facet, which replace CLIP's own similarities."""


@dataclass(frozen=True)
class VariantInput:
    """What a variant computes patch features from.

    Attributes:
        tower: The image tower.
        tokens: (B, prefix + h * w, D) input of the last block, or of the first where the variant goes through
            the blocks itself.
        grid: (h, w) of the patches.
        proxy_features: Those of each key that the variant needs.
    """

    tower: Tower
    tokens: torch.Tensor
    grid: Grid
    proxy_features: ProxyFeatures

    @property
    def last_block(self) -> TransformerBlock:
        """The last block."""
        return self.tower.blocks[-1]

    def to_text_space(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, prefix + h * w, D) outputs of the last block to (B, h, w, E) features of the patches."""
        patches = tokens[:, self.tower.prefix :]
        return self.tower.to_text_space(patches).reshape(len(tokens), *self.grid, -1)


@dataclass(frozen=True)
class DenseVariant:
    """One published method for patch features of CLIP.

    Attributes:
        name: What users call it.
        paper: Its authors and year.
        compute: Computes (B, h, w, E) patch features in the text space. The grid is the image's, or that of
            the proxy features where the variant uses some.
        proxy_keys: Layers and facets of the backbone that it needs.
        from_first: Whether it runs all blocks itself and starts from the input of the first.
    """

    name: str
    paper: str
    compute: Callable[[VariantInput], torch.Tensor]
    proxy_keys: tuple[FeatureKey, ...] = ()
    from_first: bool = False

    def encode(self, tower: Tower, images: torch.Tensor, proxy_features: ProxyFeatures) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1] to (B, h, w, E) patch features, as ``compute`` returns them."""
        tokens, grid = tower.block_input(images, first=self.from_first)
        return self.compute(VariantInput(tower, tokens, grid, proxy_features))


DENSE_VARIANTS: Registry[DenseVariant] = Registry("dense variant")


def register_variant(variant: DenseVariant) -> DenseVariant:
    """Register a variant under its name."""
    return DENSE_VARIANTS.register(variant.name)(variant)


Bias = Callable[[slice], torch.Tensor]

ROWS = 1 << 22
"""Entries of a bias that are held at a time; more queries than fit are processed in blocks."""


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: Bias | None = None
) -> torch.Tensor:
    """softmax(query keyᵀ / sqrt(d) + bias) value, without an (L, L) matrix per head.

    Args:
        query: (B, heads, L, d).
        key: Likewise.
        value: Likewise.
        bias: Maps rows of queries to the (rows, L) term added to the logits of all heads; None: no term.
    """
    if bias is None:
        return F.scaled_dot_product_attention(query, key, value)
    parts = []
    for rows in _row_blocks(query.shape[-2]):
        mask = bias(rows).to(query.dtype)
        parts.append(F.scaled_dot_product_attention(query[:, :, rows], key, value, attn_mask=mask))
    return torch.cat(parts, dim=2)


def resampled_values(inputs: VariantInput, tokens: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Return (B, N, D) values of the patches, heads concatenated, bilinear on a grid of N = h' * w' patches.

    Attention weights that all heads share apply to concatenated heads.

    Args:
        inputs: The last block of its tower computes the values.
        tokens: (B, prefix + h * w, D) input of that block.
        grid: (h', w').
    """
    _, _, value = inputs.last_block.qkv(tokens)
    joined = value[:, :, inputs.tower.prefix :].transpose(1, 2).flatten(2)
    if grid == inputs.grid:
        return joined
    planes = joined.transpose(1, 2).reshape(len(joined), -1, *inputs.grid)
    planes = F.interpolate(planes.float(), size=grid, mode="bilinear", align_corners=False)
    return planes.flatten(2).transpose(1, 2).to(joined.dtype)


def mix_values(
    inputs: VariantInput,
    tokens: Sequence[torch.Tensor],
    weights: Callable[[slice], torch.Tensor],
    grid: Grid,
) -> list[torch.Tensor]:
    """Apply attention weights that all heads share to the last block's values, without residual and MLP.

    Args:
        inputs: The last block of its tower computes the values.
        tokens: (B, prefix + h * w, D) inputs of that block; the weights are computed once for all of them.
        weights: Maps rows of patches to their (B, rows, N) weights over all patches.
        grid: (h', w') of the N patches.

    Returns:
        (B, h', w', E) features in the text space for each of ``tokens``.
    """
    values = torch.cat([resampled_values(inputs, one, grid) for one in tokens], dim=-1)
    out = torch.cat([weights(row).to(values.dtype) @ values for row in _row_blocks(values.shape[1])], dim=1)
    # The output projection takes separate heads; concatenated ones are one head as wide as all.
    outputs = (inputs.last_block.attention_output(part[:, None]) for part in out.chunk(len(tokens), dim=-1))
    return [inputs.tower.to_text_space(patches).reshape(len(patches), *grid, -1) for patches in outputs]


def _row_blocks(length: int) -> list[slice]:
    """Slices of rows of a (length, length) matrix, at most ``ROWS`` entries each."""
    step = max(1, ROWS // length)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]
