"""Image towers for dense features: block inputs, blocks in parts, and the projection to the text space.

Two kinds are known: open_clip's own ``VisionTransformer`` (OpenAI, LAION, MetaCLIP, DFN…) and timm's, which
open_clip wraps for SigLIP. The input of the first block is that of the visual encoders.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from ovseg.encoders.visual.clip_tower import ClipTower
from ovseg.encoders.vit import DenseViT
from ovseg.errors import UsageError

Grid = tuple[int, int]
Heads = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Queries, keys and values, each (B, heads, L, D / heads)."""


@dataclass(frozen=True)
class TransformerBlock:
    """A pre-norm transformer block in parts; tokens are (B, L, D), heads (B, heads, L, D / heads).

    Attributes:
        forward: The whole block.
        qkv: Tokens to queries, keys and values of the heads, after the block's first norm. Attention over
            them has the scale 1 / sqrt(D / heads).
        attention_output: Outputs of the heads to the attention's residual update of the tokens.
        mlp: Tokens to the MLP's residual update, after the block's second norm.
    """

    forward: Callable[[torch.Tensor], torch.Tensor]
    qkv: Callable[[torch.Tensor], Heads]
    attention_output: Callable[[torch.Tensor], torch.Tensor]
    mlp: Callable[[torch.Tensor], torch.Tensor]


class Tower(ABC):
    """An image tower: from pixels to the text space.

    Attributes:
        dense: The tower as a dense module, which normalizes images.
        patch: Side of a patch in pixels.
        prefix: Number of tokens before those of the patches, of which the first is the class token.
        blocks: All its blocks.
    """

    dense: ClipTower | DenseViT
    patch: int
    prefix: int
    blocks: Sequence[TransformerBlock]

    def block_input(self, images: torch.Tensor, *, first: bool = False) -> tuple[torch.Tensor, Grid]:
        """Compute the input of the last block, or of the first.

        Args:
            images: (B, 3, H, W) in [0, 1].
            first: Whether the first block is meant.

        Returns:
            (B, prefix + h * w, D) tokens, and (h, w).
        """
        tokens = self.dense.embed(images)
        for block in () if first else self.blocks[:-1]:
            tokens = block.forward(tokens)
        return tokens, (images.shape[-2] // self.patch, images.shape[-1] // self.patch)

    @abstractmethod
    def to_text_space(self, patches: torch.Tensor) -> torch.Tensor:
        """Project (B, N, D) outputs of the last block to (B, N, E), each patch as the class token is."""


def tower_of(visual: Any, mean: Sequence[float], std: Sequence[float]) -> Tower:
    """Return the tower of an open_clip model, with the normalization of its images.

    Raises:
        UsageError: It has no dense features here (convolutional, rotary or pooled by queries).
    """
    from open_clip.timm_model import TimmModel
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
    from timm.models.vision_transformer import Block
    from timm.models.vision_transformer import VisionTransformer as TimmTransformer

    if isinstance(visual, VisionTransformer):
        plain = all(isinstance(block, ResidualAttentionBlock) for block in visual.transformer.resblocks)
        square = visual.patch_size[0] == visual.patch_size[1]
        if plain and square and visual.attn_pool is None:
            return OpenClipTower(ClipTower(visual, mean=mean, std=std))
    if isinstance(visual, TimmModel) and isinstance(visual.trunk, TimmTransformer):
        trunk = visual.trunk
        known = trunk.global_pool == "token" or (trunk.global_pool == "map" and trunk.num_prefix_tokens == 0)
        plain = all(type(block) is Block for block in trunk.blocks)
        if plain and known and trunk.pos_embed is not None and not list(visual.head.children()):
            return TimmTower(DenseViT(visual.trunk, mean=mean, std=std, antialias=True))
    kind = type(visual.trunk if isinstance(visual, TimmModel) else visual).__name__
    raise UsageError(
        f"this CLIP model's image tower ({kind}) gives no patch features: take one with a plain"
        " vision transformer, such as ViT-B-16 or ViT-B-16-SigLIP"
    )


class OpenClipTower(Tower):
    """open_clip's own vision transformer."""

    prefix = 1

    def __init__(self, dense: ClipTower) -> None:
        self.dense, self._visual = dense, dense.visual
        self.patch = dense.patch
        self.blocks = [_open_clip_parts(block) for block in dense.visual.transformer.resblocks]

    def to_text_space(self, patches: torch.Tensor) -> torch.Tensor:
        """See :meth:`Tower.to_text_space`: final norm and projection."""
        projected: torch.Tensor = self._visual.ln_post(patches)
        return projected if self._visual.proj is None else projected @ self._visual.proj


class TimmTower(Tower):
    """timm's vision transformer as open_clip wraps it.

    SigLIP pools its patches by attention from a learned query. Here each patch is pooled alone: a softmax
    over one patch is 1, which leaves the pool's value and output projections and its feed-forward, as
    MaskCLIP (Zhou et al., ECCV 2022) takes the attention pool of CLIP's residual networks.
    """

    def __init__(self, dense: DenseViT) -> None:
        self.dense, self._trunk = dense, dense.vit
        self.patch, self.prefix = dense.patch, dense.prefix
        self.blocks = [_timm_parts(block) for block in dense.vit.blocks]

    def to_text_space(self, patches: torch.Tensor) -> torch.Tensor:
        """See :meth:`Tower.to_text_space`: the trunk's own head, applied to each patch alone."""
        batch, count, width = patches.shape
        alone = self._trunk.norm(patches).reshape(batch * count, 1, width)
        head: torch.Tensor = self._trunk.forward_head(alone)
        return head.reshape(batch, count, -1)


def _open_clip_parts(block: Any) -> TransformerBlock:
    attention = block.attn

    def qkv(x: torch.Tensor) -> Heads:
        packed = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)
        return _split_heads(packed, attention.num_heads)

    return TransformerBlock(
        forward=block,
        qkv=qkv,
        attention_output=lambda out: block.ls_1(attention.out_proj(_join_heads(out))),
        mlp=lambda x: block.ls_2(block.mlp(block.ln_2(x))),
    )


def _timm_parts(block: Any) -> TransformerBlock:
    attention = block.attn

    def qkv(x: torch.Tensor) -> Heads:
        query, key, value = _split_heads(attention.qkv(block.norm1(x)), attention.num_heads)
        return attention.q_norm(query), attention.k_norm(key), value

    return TransformerBlock(
        forward=block,
        qkv=qkv,
        attention_output=lambda out: block.ls1(attention.proj(attention.norm(_join_heads(out)))),
        mlp=lambda x: block.ls2(block.mlp(block.norm2(x))),
    )


def _split_heads(packed: torch.Tensor, heads: int) -> Heads:
    """(B, L, 3 D) to three (B, heads, L, D / heads)."""
    batch, length, width = packed.shape
    parts = packed.reshape(batch, length, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
    return parts[0], parts[1], parts[2]


def _join_heads(out: torch.Tensor) -> torch.Tensor:
    """(B, heads, L, d) to (B, L, heads * d)."""
    return out.transpose(1, 2).flatten(2)
