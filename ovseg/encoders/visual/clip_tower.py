"""CLIP's image tower as a backbone (OVDiff takes the keys of its layer -2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from ovseg.encoders.vit import DenseModule, DenseViT, Facet, Normalize
from ovseg.errors import UnknownName


class ClipTower(DenseModule):
    """Patch features of the vision transformer of an open_clip model.

    Args:
        visual: open_clip's ``VisionTransformer``.
        mean: Per-channel mean of the model's training images, in [0, 1].
        std: Per-channel deviation, likewise.
    """

    family = "clip"

    def __init__(self, visual: Any, *, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.visual = visual
        self.normalize = Normalize(mean, std)
        self.depth = len(visual.transformer.resblocks)
        self.patch = int(visual.patch_size[0])

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1] to (B, 1 + h * w, D), the input of the first block.

        Positions are resampled to another grid as open_clip does at loading: bicubic with antialiasing.
        """
        weight = self.visual.conv1.weight
        patches = self.visual.conv1(self.normalize(images).to(weight.dtype))
        positions = self.visual.positional_embedding
        size, stored = tuple(patches.shape[-2:]), tuple(self.visual.grid_size)
        if size != stored:
            grid = positions[1:].unflatten(0, stored).permute(2, 0, 1)[None]
            grid = F.interpolate(grid.float(), size, mode="bicubic", align_corners=False, antialias=True)
            positions = torch.cat([positions[:1], grid[0].flatten(1).T.to(positions.dtype)])
        first = self.visual.class_embedding.to(weight.dtype).expand(len(patches), 1, -1)
        x = torch.cat([first, patches.flatten(2).transpose(1, 2)], dim=1)
        return self.visual.ln_pre(x + positions.to(weight.dtype))  # type: ignore[no-any-return]

    def forward(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]] = ((-1, "token"),)
    ) -> dict[tuple[int, Facet], torch.Tensor]:
        """See :meth:`~ovseg.encoders.vit.DenseModule.forward`."""
        resolved = self.resolve_layers(images, wanted)
        last = max(resolved.values())
        found: dict[tuple[int, Facet], torch.Tensor] = {}
        x = self.embed(images)
        for layer in range(last + 1):
            block = self.visual.transformer.resblocks[layer]
            here = [pair for pair in resolved if resolved[pair] == layer]
            if any(facet != "token" for _, facet in here):
                attention = block.attn
                packed = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)
                parts = dict(zip(("query", "key", "value"), packed.chunk(3, dim=-1), strict=True))
                found |= {pair: parts[pair[1]] for pair in here if pair[1] in parts}
                if layer == last and all(facet != "token" for _, facet in here):
                    break
            # Blocks that are not batch first are so for speed in training alone.
            x = block(x) if self.visual.transformer.batch_first else block(x.transpose(0, 1)).transpose(0, 1)
            for pair in here:
                if pair[1] == "token":
                    found[pair] = self.visual.ln_post(x) if layer == self.depth - 1 else x
        shape = (len(images), images.shape[-2] // self.patch, images.shape[-1] // self.patch, -1)
        return {pair: found[pair][:, 1:].reshape(shape) for pair in resolved}


def dense_tower(visual: Any, *, mean: Sequence[float], std: Sequence[float]) -> DenseModule:
    """The dense reader of an open_clip model's visual side, its own or timm's (SigLIP, EVA).

    Raises:
        UnknownName: It is no plain vision transformer.
    """
    trunk = getattr(visual, "trunk", None)
    if trunk is not None and hasattr(trunk, "blocks") and hasattr(trunk, "patch_embed"):
        return DenseViT(trunk, mean=mean, std=std, antialias=True, family="clip")
    blocks = getattr(getattr(visual, "transformer", None), "resblocks", None)
    if blocks is None or not all(type(block).__name__ == "ResidualAttentionBlock" for block in blocks):
        raise UnknownName(
            f"the visual side of this CLIP model ({type(trunk or visual).__name__}) is no plain vision"
            " transformer, whose layers could be read: take one such as ViT-B-16:openai"
        )
    return ClipTower(visual, mean=mean, std=std)
