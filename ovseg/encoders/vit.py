"""Vision transformers of the DINO family as dense encoders: tokens, keys, queries, values of any layer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import nn

Facet = Literal["token", "key", "query", "value"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class DenseViT(nn.Module):
    """A timm vision transformer read at its patches.

    The forward pass walks timm's own blocks rather than calling ``forward``: this gives queries, keys and
    values without hooks, and stops after the last layer that is asked for.

    Args:
        vit: A timm ``VisionTransformer`` (its ``patch_embed``, ``blocks``, ``norm`` are used).
        mean: Per-channel mean of the model's training images, in [0, 1].
        std: Per-channel deviation, likewise.
    """

    def __init__(
        self, vit: Any, *, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD
    ) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.vit = vit
        self.depth = len(vit.blocks)
        self.patch = int(vit.patch_embed.patch_size[0])
        self.prefix = int(vit.num_prefix_tokens)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def position_embedding(self, height: int, width: int) -> torch.Tensor:
        """(1, prefix + height * width, D) position embedding, bicubic without antialiasing as in DINOv2."""
        embedding = self.vit.pos_embed
        stored = embedding.shape[1] - self.prefix
        side = math.isqrt(stored)
        if (height, width) == (side, side):
            return embedding  # type: ignore[no-any-return]
        grid = embedding[:, self.prefix :].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid.float(), size=(height, width), mode="bicubic", align_corners=False)
        grid = grid.to(embedding.dtype).permute(0, 2, 3, 1).reshape(1, height * width, -1)
        return torch.cat([embedding[:, : self.prefix], grid], dim=1)

    def forward(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]] = ((-1, "token"),)
    ) -> dict[tuple[int, Facet], torch.Tensor]:
        """Encode a batch.

        Args:
            images: (B, 3, H, W) float in [0, 1], H and W multiples of the patch size.
            wanted: Pairs of layer (negative counts from the last) and facet. ``token`` is a block's output
                (after the final norm for the last layer); the others are the block's own projections, heads
                concatenated.

        Returns:
            For each pair as given, (B, h, w, D) features in the model's dtype.

        Raises:
            ValueError: A layer or facet that the model has not, or sizes that are no multiple of the patch.
        """
        if images.shape[-2] % self.patch or images.shape[-1] % self.patch:
            raise ValueError(
                f"image {tuple(images.shape[-2:])} is no multiple of the patch size {self.patch}"
            )
        pairs = list(wanted)
        resolved = {
            pair: pair[0] % self.depth if -self.depth <= pair[0] < self.depth else -1 for pair in pairs
        }
        if not pairs or min(resolved.values()) < 0:
            raise ValueError(f"layers must be in [-{self.depth}, {self.depth}), got {pairs}")
        if any(facet not in get_args(Facet) for _, facet in pairs):
            raise ValueError(f"facets must be among {', '.join(get_args(Facet))}, got {pairs}")

        x = (images - self.mean) / self.std
        patches = self.vit.patch_embed.proj(x.to(self.vit.cls_token.dtype))
        height, width = patches.shape[-2:]
        x = patches.flatten(2).transpose(1, 2)
        x = torch.cat([self.vit.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = self.vit.norm_pre(x + self.position_embedding(height, width))

        found: dict[tuple[int, Facet], torch.Tensor] = {}
        for layer in range(max(resolved.values()) + 1):
            block = self.vit.blocks[layer]
            here = [pair for pair in pairs if resolved[pair] == layer]
            if any(facet != "token" for _, facet in here):
                query, key, value = block.attn.qkv(block.norm1(x)).chunk(3, dim=-1)
                facets = {"query": query, "key": key, "value": value}
                for pair in here:
                    if pair[1] in facets:
                        found[pair] = facets[pair[1]]
                if layer == max(resolved.values()) and all(facet != "token" for _, facet in here):
                    break
            x = block(x)
            for pair in here:
                if pair[1] == "token":
                    found[pair] = self.vit.norm(x) if layer == self.depth - 1 else x
        return {pair: found[pair][:, self.prefix :].reshape(len(images), height, width, -1) for pair in pairs}


def dinov2_state(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the backbone of an exported transformers DINOv2 to timm's names (see ``read_onnx``).

    Raises:
        KeyError: A tensor is missing (the file is not what its hash says: a bug).
        ValueError: The position embedding is missing, likewise.
    """
    prefix = "backbone.encoder.layer."
    state = {
        "cls_token": tensors["backbone.embeddings.cls_token"],
        "patch_embed.proj.weight": tensors["backbone.embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": tensors["backbone.embeddings.patch_embeddings.projection.bias"],
        "norm.weight": tensors["backbone.layernorm.weight"],
        "norm.bias": tensors["backbone.layernorm.bias"],
    }
    # The exporter split the position embedding into its class part and its grid and dropped the names.
    unnamed = {tuple(value.shape): value for key, value in tensors.items() if key.startswith("onnx::")}
    width = state["cls_token"].shape[-1]
    grids = [value for shape, value in unnamed.items() if len(shape) == 3 and shape[1] > 1]
    if len(grids) != 1 or (1, 1, width) not in unnamed:
        raise ValueError("the exported graph has no position embedding of the expected shape")
    state["pos_embed"] = torch.cat([unnamed[(1, 1, width)], grids[0]], dim=1)
    depth = 1 + max(int(key.removeprefix(prefix).split(".")[0]) for key in tensors if key.startswith(prefix))
    for i in range(depth):
        old, new = f"{prefix}{i}", f"blocks.{i}"
        for kind in ("weight", "bias"):
            parts = [
                tensors[f"{old}.attention.attention.{role}.{kind}"] for role in ("query", "key", "value")
            ]
            state[f"{new}.attn.qkv.{kind}"] = torch.cat(parts)
            state[f"{new}.attn.proj.{kind}"] = tensors[f"{old}.attention.output.dense.{kind}"]
            for name in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                state[f"{new}.{name}.{kind}"] = tensors[f"{old}.{name}.{kind}"]
        state[f"{new}.ls1.gamma"] = tensors[f"{old}.layer_scale1.lambda1"]
        state[f"{new}.ls2.gamma"] = tensors[f"{old}.layer_scale2.lambda1"]
    return state
