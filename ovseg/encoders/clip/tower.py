"""Image towers read densely: what enters a block, the blocks in parts, and the way of patches to words.

Two kinds are known: open_clip's own ``VisionTransformer`` (OpenAI, LAION, MetaCLIP, DFN…) and timm's, which
open_clip wraps for SigLIP. What enters the first block is read as the visual encoders read it.
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
class BlockParts:
    """A block of a transformer in parts; tokens are (B, L, D), heads (B, heads, L, D / heads).

    Attributes:
        whole: The block as it is.
        project: Tokens to queries, keys and values of the heads, after the block's first norm. Attention over
            them has the scale 1 / sqrt(D / heads).
        merge: Outputs of the heads to what the attention adds to the tokens.
        feed_forward: What the second half adds to the tokens.
    """

    whole: Callable[[torch.Tensor], torch.Tensor]
    project: Callable[[torch.Tensor], Heads]
    merge: Callable[[torch.Tensor], torch.Tensor]
    feed_forward: Callable[[torch.Tensor], torch.Tensor]


class Tower(ABC):
    """An image tower between pixels and the space of words.

    Attributes:
        dense: The tower as a reader of patches; it normalizes images.
        patch: Side of a patch in pixels.
        prefix: Tokens before those of the patches, the class token first among them; 0: it has none.
        blocks: All its blocks.
    """

    dense: ClipTower | DenseViT
    patch: int
    prefix: int
    blocks: Sequence[BlockParts]

    def entering(self, images: torch.Tensor, *, first: bool = False) -> tuple[torch.Tensor, Grid]:
        """What enters the last block, or the first.

        Args:
            images: (B, 3, H, W) in [0, 1].
            first: Whether the first block is meant.

        Returns:
            (B, prefix + h * w, D) tokens, and (h, w).
        """
        tokens = self.dense.embed(images)
        for block in () if first else self.blocks[:-1]:
            tokens = block.whole(tokens)
        return tokens, (images.shape[-2] // self.patch, images.shape[-1] // self.patch)

    @abstractmethod
    def to_words(self, patches: torch.Tensor) -> torch.Tensor:
        """(B, N, D) outputs of the last block to (B, N, E), each patch on its own, as the class token
        goes.
        """


def tower_of(visual: Any, mean: Sequence[float], std: Sequence[float]) -> Tower:
    """The tower of an open_clip model, with the normalization of its images.

    Raises:
        UsageError: It is of a kind that is not read densely (convolutional, rotary or pooled by queries).
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
        f"this CLIP model's image tower ({kind}) cannot be read cell by cell: take one with a plain"
        " vision transformer, such as ViT-B-16 or ViT-B-16-SigLIP"
    )


class OpenClipTower(Tower):
    """open_clip's own vision transformer."""

    prefix = 1

    def __init__(self, dense: ClipTower) -> None:
        self.dense, self._visual = dense, dense.visual
        self.patch = dense.patch
        self.blocks = [_open_clip_parts(block) for block in dense.visual.transformer.resblocks]

    def to_words(self, patches: torch.Tensor) -> torch.Tensor:
        """See :meth:`Tower.to_words`: final norm and projection."""
        projected: torch.Tensor = self._visual.ln_post(patches)
        return projected if self._visual.proj is None else projected @ self._visual.proj


class TimmTower(Tower):
    """timm's vision transformer as open_clip wraps it.

    SigLIP pools its patches by attention from a learned query. A patch goes the same way alone: a softmax
    over one patch is 1, which leaves the pool's value and output projections and its feed-forward, as
    MaskCLIP (Zhou et al., ECCV 2022) takes the attention pool of CLIP's residual networks.
    """

    def __init__(self, dense: DenseViT) -> None:
        self.dense, self._trunk = dense, dense.vit
        self.patch, self.prefix = dense.patch, dense.prefix
        self.blocks = [_timm_parts(block) for block in dense.vit.blocks]

    def to_words(self, patches: torch.Tensor) -> torch.Tensor:
        """See :meth:`Tower.to_words`: the trunk's own head on each patch as if it were the whole image."""
        batch, count, width = patches.shape
        alone = self._trunk.norm(patches).reshape(batch * count, 1, width)
        head: torch.Tensor = self._trunk.forward_head(alone)
        return head.reshape(batch, count, -1)


def _open_clip_parts(block: Any) -> BlockParts:
    attention = block.attn

    def project(x: torch.Tensor) -> Heads:
        packed = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)
        return _split_heads(packed, attention.num_heads)

    return BlockParts(
        whole=block,
        project=project,
        merge=lambda out: block.ls_1(attention.out_proj(_join_heads(out))),
        feed_forward=lambda x: block.ls_2(block.mlp(block.ln_2(x))),
    )


def _timm_parts(block: Any) -> BlockParts:
    attention = block.attn

    def project(x: torch.Tensor) -> Heads:
        query, key, value = _split_heads(attention.qkv(block.norm1(x)), attention.num_heads)
        return attention.q_norm(query), attention.k_norm(key), value

    return BlockParts(
        whole=block,
        project=project,
        merge=lambda out: block.ls1(attention.proj(attention.norm(_join_heads(out)))),
        feed_forward=lambda x: block.ls2(block.mlp(block.norm2(x))),
    )


def _split_heads(packed: torch.Tensor, heads: int) -> Heads:
    """(B, L, 3 D) to three (B, heads, L, D / heads)."""
    batch, length, width = packed.shape
    parts = packed.reshape(batch, length, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
    return parts[0], parts[1], parts[2]


def _join_heads(out: torch.Tensor) -> torch.Tensor:
    """(B, heads, L, d) to (B, L, heads * d)."""
    return out.transpose(1, 2).flatten(2)
