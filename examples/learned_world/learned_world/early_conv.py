"""A vision transformer with a convolutional stem, filed with timm as ``vit_early_conv_patch8_64``.

Transformers that cut pictures into patches need very many of them before they see edges; a few small
convolutions in the place of the patches do away with that (Xiao et al., Early convolutions help
transformers see better, NeurIPS 2021). It is the architecture of the learned world's models, small enough
to be trained on a CPU. timm, and open_clip through it, build it by name once this module is imported.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer
from torch import nn

__all__ = ["EarlyConvolutions", "vit_early_conv_patch8_64"]


class _Residual(nn.Module):
    """x + f(x), f a norm, an activation and a 3 × 3 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        mixed: torch.Tensor = self.conv(nn.functional.gelu(self.norm(x)))
        return x + mixed


class EarlyConvolutions(nn.Module):
    """In the place of timm's ``PatchEmbed``: three halvings by 3 × 3 convolutions, and residual ones between.

    Args:
        img_size: Side of the training images in pixels.
        patch_size: Must be 8, three halvings.
        in_chans: Channels.
        embed_dim: Width of a token.
    """

    def __init__(
        self, img_size: int = 64, patch_size: int = 8, in_chans: int = 3, embed_dim: int = 96, **_: Any
    ) -> None:
        super().__init__()
        if patch_size != 8:
            raise ValueError(f"three halvings make patches of 8 pixels, not {patch_size}")
        self.patch_size = (patch_size, patch_size)
        self.img_size = (img_size, img_size)
        self.grid_size = (img_size // patch_size, img_size // patch_size)
        self.num_patches = self.grid_size[0] * self.grid_size[1]
        self.proj = nn.Sequential(
            nn.Conv2d(in_chans, embed_dim // 4, 3, stride=2, padding=1),
            nn.GroupNorm(8, embed_dim // 4),
            nn.GELU(),
            nn.Conv2d(embed_dim // 4, embed_dim // 2, 3, stride=2, padding=1),
            _Residual(embed_dim // 2),
            nn.GroupNorm(8, embed_dim // 2),
            nn.GELU(),
            nn.Conv2d(embed_dim // 2, embed_dim, 3, stride=2, padding=1),
            _Residual(embed_dim),
            _Residual(embed_dim),
        )
        self.norm = nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, h * w, D)."""
        patches: torch.Tensor = self.norm(self.proj(images).flatten(2).transpose(1, 2))
        return patches


@register_model  # type: ignore[untyped-decorator]
def vit_early_conv_patch8_64(pretrained: bool = False, **options: Any) -> Any:
    """Two layers of width 96 after the stem, for pictures of 64 pixels; has no weights of its own."""
    if pretrained:
        raise ValueError("vit_early_conv_patch8_64 has no weights that could be downloaded")
    for name in ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
        options.pop(name, None)
    # The stem reads any size; positions are resampled by those who read the transformer densely.
    options.pop("dynamic_img_size", None)
    arguments: dict[str, Any] = {
        "img_size": 64,
        "patch_size": 8,
        "embed_dim": 96,
        "depth": 2,
        "num_heads": 4,
        "embed_layer": EarlyConvolutions,
    } | options
    return VisionTransformer(**arguments)
