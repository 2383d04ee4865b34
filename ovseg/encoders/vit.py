"""Vision transformers of the DINO family as dense encoders: tokens, keys, queries, values of any layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import nn

from ovseg.errors import ConfigError

Facet = Literal["token", "key", "query", "value"]

Family = Literal["dino", "dinov2", "dinov3", "clip", "diffusion", "other"]
"""How a model was trained, which decides the facets that suit a purpose."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def family_of(name: str) -> Family:
    """Return the family of a published model by its name, such as ``vit_small_patch16_224.dino``."""
    known = name.lower()
    families: tuple[Family, ...] = ("dinov3", "dinov2", "dino", "clip")
    return next((family for family in families if family in known), "other")


class DenseModule(nn.Module, ABC):
    """Base of all visual encoders: images to patch features of layers and facets.

    Attributes:
        patch: Side in pixels of a patch.
        depth: Number of layers.
        facets: Facets that each layer has.
        family: How it was trained, where that is known.
    """

    patch: int
    depth: int
    facets: tuple[str, ...] = get_args(Facet)
    family: Family = "other"

    def resolve_layers(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]]
    ) -> dict[tuple[int, Facet], int]:
        """Return each wanted (layer, facet) with its layer counted from 0.

        Raises:
            ConfigError: The model has no such layer or facet.
            ValueError: Sizes are no multiple of the patch.
        """
        height, width = images.shape[-2:]
        if height % self.patch or width % self.patch:
            raise ValueError(f"image {(height, width)} is no multiple of the patch size {self.patch}")
        pairs = list(wanted)
        if not pairs or any(not -self.depth <= layer < self.depth for layer, _ in pairs):
            raise ConfigError(f"layers must be in [-{self.depth}, {self.depth}), got {pairs}")
        if any(facet not in self.facets for _, facet in pairs):
            raise ConfigError(f"facets must be among {', '.join(self.facets)}, got {pairs}")
        return {pair: pair[0] % self.depth for pair in pairs}

    @abstractmethod
    def forward(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]] = ((-1, "token"),)
    ) -> dict[tuple[int, Facet], torch.Tensor]:
        """Encode a batch.

        Args:
            images: (B, 3, H, W) float in [0, 1], H and W multiples of the patch size.
            wanted: Pairs of layer (negative counts from the last) and facet. ``token`` is a block's output
                (after the final norm for the last layer); the others are the block's own projections, heads
                concatenated, before rotary positions and norms of single heads.

        Returns:
            For each pair as given, (B, h, w, D) features in the model's dtype.

        Raises:
            ConfigError: The model has no such layer or facet.
            ValueError: Sizes are no multiple of the patch.
        """


class Normalize(nn.Module):
    """Normalization of images in [0, 1] by the statistics of the training images.

    Args:
        mean: Per-channel mean of the training images, in [0, 1].
        std: Per-channel deviation, likewise.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self._exact = (tuple(mean), tuple(std))
        for name, values in zip(("mean", "std"), self._exact, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def _apply(self, fn: Any, recurse: bool = True) -> Normalize:
        # Statistics stay in float32: a model in half precision still gets exactly centred images.
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, values in zip(("mean", "std"), self._exact, strict=True):
            setattr(self, name, torch.tensor(values, device=self.mean.device).view(1, 3, 1, 1))
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1] to the same, centred and scaled."""
        return (images - self.mean) / self.std


class DenseViT(DenseModule):
    """Patch features of a timm vision transformer: plain, with registers, or with rotary positions.

    The forward pass walks timm's own blocks rather than calling ``forward``: this gives queries, keys and
    values without hooks, and stops after the last layer that is needed.

    Args:
        vit: A timm ``VisionTransformer`` or ``Eva`` of pre-norm blocks.
        mean: Per-channel mean of the model's training images, in [0, 1].
        std: Per-channel deviation, likewise.
        antialias: Whether learned positions are resampled with antialiasing (which in PyTorch changes the
            kernel even where the grid grows): DINO and DINOv2 were published without (and with an offset of a
            tenth of a patch, which later ports and this one leave out), DINOv2 with registers and timm with.
        family: How it was trained.
    """

    def __init__(
        self,
        vit: Any,
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        antialias: bool = False,
        family: Family = "other",
    ) -> None:
        super().__init__()
        self.vit = vit
        self.depth = len(vit.blocks)
        self.patch = int(vit.patch_embed.patch_size[0])
        self.prefix = int(vit.num_prefix_tokens)
        self.normalize = Normalize(mean, std)
        self.antialias = antialias
        self.family = family

    def position_embedding(self, height: int, width: int) -> torch.Tensor | None:
        """Return learned positions for a grid, bicubic; None for a model without any.

        (1, prefix + height * width, D), or without the prefix where the model's class and register tokens
        have no position.
        """
        embedding = self.vit.pos_embed
        if embedding is None or (height, width) == tuple(self.vit.patch_embed.grid_size):
            return embedding  # type: ignore[no-any-return]
        prefix = 0 if self.vit.no_embed_class else self.prefix
        grid = embedding[:, prefix:].unflatten(1, self.vit.patch_embed.grid_size).permute(0, 3, 1, 2)
        grid = F.interpolate(
            grid.float(), (height, width), mode="bicubic", align_corners=False, antialias=self.antialias
        )
        grid = grid.to(embedding.dtype).permute(0, 2, 3, 1).flatten(1, 2)
        return torch.cat([embedding[:, :prefix], grid], dim=1)

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1] to (B, prefix + h * w, D), the input of the first block."""
        projection = self.vit.patch_embed.proj
        patches = projection(self.normalize(images).to(next(projection.parameters()).dtype))
        positions = self.position_embedding(*patches.shape[-2:])
        x = self.vit.patch_embed.norm(patches.flatten(2).transpose(1, 2))
        special = [
            token.expand(len(x), -1, -1)
            for token in (self.vit.cls_token, self.vit.reg_token)
            if token is not None
        ]
        if positions is not None and self.vit.no_embed_class:
            x = x + positions
        x = torch.cat([*special, x], dim=1)
        if positions is not None and not self.vit.no_embed_class:
            x = x + positions
        return self.vit.norm_pre(x)  # type: ignore[no-any-return]

    def forward(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]] = ((-1, "token"),)
    ) -> dict[tuple[int, Facet], torch.Tensor]:
        """See :meth:`DenseModule.forward`."""
        resolved = self.resolve_layers(images, wanted)
        height, width = images.shape[-2] // self.patch, images.shape[-1] // self.patch
        last = max(resolved.values())
        rope = getattr(self.vit, "rope", None)
        rotations = None if rope is None else rope.get_embed(shape=(height, width))
        found: dict[tuple[int, Facet], torch.Tensor] = {}
        x = self.embed(images)
        for layer in range(last + 1):
            block = self.vit.blocks[layer]
            here = [pair for pair in resolved if resolved[pair] == layer]
            if any(facet != "token" for _, facet in here):
                facets = projections(block.attn, block.norm1(x))
                found |= {pair: facets[pair[1]] for pair in here if pair[1] in facets}
                if layer == last and all(facet != "token" for _, facet in here):
                    break
            if rotations is None:
                x = block(x)
            else:
                # Mixed rotary positions differ from layer to layer.
                x = block(x, rope=rotations[layer] if self.vit.rope_mixed else rotations)
            for pair in here:
                if pair[1] == "token":
                    found[pair] = self.vit.norm(x) if layer == self.depth - 1 else x
        return {
            pair: found[pair][:, self.prefix :].reshape(len(images), height, width, -1) for pair in resolved
        }


def projections(attention: Any, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return (B, N, D) queries, keys and values of a timm attention module, heads concatenated."""
    if attention.qkv is None:
        parts = [attention.q_proj(x), attention.k_proj(x), attention.v_proj(x)]
    else:
        bias = attention.qkv.bias
        if getattr(attention, "q_bias", None) is not None:  # EVA's keys have no learned bias
            bias = torch.cat([attention.q_bias, attention.k_bias, attention.v_bias])
        parts = list(F.linear(x, attention.qkv.weight, bias).chunk(3, dim=-1))
    return dict(zip(("query", "key", "value"), parts, strict=True))


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
