"""Image towers read densely: the tokens before their last block, that block in parts, and their way to words.

Two kinds are known: open_clip's own ``VisionTransformer`` (OpenAI, LAION, MetaCLIP, DFN…) and timm's, which
open_clip wraps for SigLIP. Both walk their own modules, without hooks and without copies of the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from ovseg.errors import UsageError

Grid = tuple[int, int]


@dataclass(frozen=True)
class LastBlock:
    """The last block of a transformer in parts; tokens are (B, L, D), heads (B, heads, L, D / heads).

    Attributes:
        whole: The block as it is.
        project: Tokens to queries, keys and values of the heads, after the block's first norm. Attention over
            them has the scale 1 / sqrt(D / heads).
        merge: Outputs of the heads to what the attention adds to the tokens.
        feed_forward: What the second half adds to the tokens.
    """

    whole: Callable[[torch.Tensor], torch.Tensor]
    project: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    merge: Callable[[torch.Tensor], torch.Tensor]
    feed_forward: Callable[[torch.Tensor], torch.Tensor]


class Tower:
    """An image tower between pixels and the space of words.

    Attributes:
        patch: Side of a cell in pixels.
        prefix: Tokens before those of the cells (the class token).
        last: Its last block.
    """

    patch: int
    prefix: int
    last: LastBlock

    def before_last(self, images: torch.Tensor) -> tuple[torch.Tensor, Grid]:
        """Normalized (B, 3, H, W) to the (B, prefix + h * w, D) input of the last block, and (h, w)."""
        raise NotImplementedError

    def to_words(self, cells: torch.Tensor) -> torch.Tensor:
        """(B, N, D) outputs of the last block to (B, N, E), each cell on its own, as the class token goes."""
        raise NotImplementedError


def tower_of(visual: Any) -> Tower:
    """The tower of an open_clip model.

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
            return OpenClipTower(visual)
    if isinstance(visual, TimmModel) and isinstance(visual.trunk, TimmTransformer):
        trunk = visual.trunk
        known = trunk.global_pool == "token" or (trunk.global_pool == "map" and trunk.num_prefix_tokens == 0)
        plain = all(type(block) is Block for block in trunk.blocks)
        if plain and known and trunk.pos_embed is not None and not list(visual.head.children()):
            return TimmTower(visual)
    kind = type(visual.trunk if isinstance(visual, TimmModel) else visual).__name__
    raise UsageError(
        f"this CLIP model's image tower ({kind}) cannot be read cell by cell: take one with a plain"
        " vision transformer, such as ViT-B-16 or ViT-B-16-SigLIP"
    )


class OpenClipTower(Tower):
    """open_clip's own vision transformer."""

    prefix = 1

    def __init__(self, visual: Any) -> None:
        self._visual = visual
        self.patch = int(visual.patch_size[0])
        block = visual.transformer.resblocks[-1]
        heads = block.attn.num_heads

        def project(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            packed = F.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)
            return _split_heads(packed, heads)

        self.last = LastBlock(
            whole=block,
            project=project,
            merge=lambda out: block.ls_1(block.attn.out_proj(_join_heads(out))),
            feed_forward=lambda x: block.ls_2(block.mlp(block.ln_2(x))),
        )

    def before_last(self, images: torch.Tensor) -> tuple[torch.Tensor, Grid]:
        """See :meth:`Tower.before_last`."""
        visual = self._visual
        patches = visual.conv1(images)
        grid = (int(patches.shape[-2]), int(patches.shape[-1]))
        cells = patches.flatten(2).transpose(1, 2)
        first = visual.class_embedding.to(cells.dtype).expand(len(cells), 1, -1)
        positions = resampled_positions(
            visual.positional_embedding[None], visual.grid_size, grid, self.prefix
        )
        x = visual.ln_pre(torch.cat([first, cells], dim=1) + positions.to(cells.dtype))
        for block in visual.transformer.resblocks[:-1]:
            x = block(x)
        return x, grid

    def to_words(self, cells: torch.Tensor) -> torch.Tensor:
        """See :meth:`Tower.to_words`: final norm and projection."""
        projected: torch.Tensor = self._visual.ln_post(cells)
        return projected if self._visual.proj is None else projected @ self._visual.proj


class TimmTower(Tower):
    """timm's vision transformer as open_clip wraps it.

    SigLIP pools its cells by attention from a learned query. A cell goes the same way alone: a softmax over
    one cell is 1, which leaves the pool's value and output projections and its feed-forward, as MaskCLIP
    (Zhou et al., ECCV 2022) takes the attention pool of CLIP's residual networks.
    """

    def __init__(self, visual: Any) -> None:
        self._trunk = visual.trunk
        self.patch = int(self._trunk.patch_embed.patch_size[0])
        self.prefix = int(self._trunk.num_prefix_tokens)
        block = self._trunk.blocks[-1]
        attention = block.attn

        def project(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            query, key, value = _split_heads(attention.qkv(block.norm1(x)), attention.num_heads)
            return attention.q_norm(query), attention.k_norm(key), value

        self.last = LastBlock(
            whole=block,
            project=project,
            merge=lambda out: block.ls1(attention.proj(attention.norm(_join_heads(out)))),
            feed_forward=lambda x: block.ls2(block.mlp(block.norm2(x))),
        )

    def before_last(self, images: torch.Tensor) -> tuple[torch.Tensor, Grid]:
        """See :meth:`Tower.before_last`."""
        trunk = self._trunk
        patches = trunk.patch_embed.proj(images)
        grid = (int(patches.shape[-2]), int(patches.shape[-1]))
        x = trunk.patch_embed.norm(patches.flatten(2).transpose(1, 2))
        before = 0 if trunk.no_embed_class else self.prefix
        positions = resampled_positions(trunk.pos_embed, trunk.patch_embed.grid_size, grid, before)
        first = [
            token.expand(len(x), -1, -1) for token in (trunk.cls_token, trunk.reg_token) if token is not None
        ]
        if before == 0:
            x = torch.cat([*first, x + positions], dim=1)
        else:
            x = torch.cat([*first, x], dim=1) + positions
        x = trunk.norm_pre(x)
        for block in trunk.blocks[:-1]:
            x = block(x)
        return x, grid

    def to_words(self, cells: torch.Tensor) -> torch.Tensor:
        """See :meth:`Tower.to_words`: the trunk's own head on each cell as if it were the whole image."""
        batch, count, width = cells.shape
        alone = self._trunk.norm(cells).reshape(batch * count, 1, width)
        head: torch.Tensor = self._trunk.forward_head(alone)
        return head.reshape(batch, count, -1)


def resampled_positions(positions: torch.Tensor, old: Grid, new: Grid, prefix: int) -> torch.Tensor:
    """Position embedding for another grid: bicubic with antialiasing, as open_clip and timm resize theirs.

    Args:
        positions: (1, prefix + old cells, D).
        old: (h, w) of the training images.
        new: (h, w) wanted.
        prefix: Entries that belong to no cell and stay.
    """
    if tuple(old) == tuple(new):
        return positions
    grid = positions[:, prefix:].reshape(1, old[0], old[1], -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid.float(), size=new, mode="bicubic", antialias=True, align_corners=False)
    flat = grid.flatten(2).transpose(1, 2).to(positions.dtype)
    return torch.cat([positions[:, :prefix], flat], dim=1)


def _split_heads(packed: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(B, L, 3 D) to three (B, heads, L, D / heads)."""
    batch, length, width = packed.shape
    parts = packed.reshape(batch, length, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
    return parts[0], parts[1], parts[2]


def _join_heads(out: torch.Tensor) -> torch.Tensor:
    """(B, heads, L, d) to (B, L, heads * d)."""
    return out.transpose(1, 2).flatten(2)
