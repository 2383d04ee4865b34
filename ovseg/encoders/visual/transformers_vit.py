"""Vision transformers of the transformers library: ViT (DINO), DINOv2 with and without registers, DINOv3."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ovseg.encoders.vit import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    DenseModule,
    Facet,
    Family,
    Normalize,
    family_of,
)
from ovseg.errors import DependencyMissing, UnknownName, WeightsUnavailable
from ovseg.quiet import quiet

KINDS = ("vit", "dinov2", "dinov2_with_registers", "dinov3_vit")
"""``model_type`` in ``config.json`` of the architectures that are read."""

_PROJECTIONS = {"query": ("q_proj", "query"), "key": ("k_proj", "key"), "value": ("v_proj", "value")}
_DISPENSABLE = ("pooler.", "classifier.", "embeddings.mask_token")


class TransformersViT(DenseModule):
    """A transformer of the transformers library read at its patches.

    Hooks collect what is asked for, so this reads any version of the library; the whole model runs each time.

    Args:
        model: One of the base models (``Dinov2Model``, …).
        mean: Per-channel mean of its training images, in [0, 1].
        std: Per-channel deviation, likewise.
        family: How a plain ViT was trained, of which its type says nothing.
    """

    def __init__(
        self,
        model: Any,
        *,
        mean: Iterable[float] = IMAGENET_MEAN,
        std: Iterable[float] = IMAGENET_STD,
        family: Family = "other",
    ) -> None:
        super().__init__()
        self.model = model
        self.normalize = Normalize(tuple(mean), tuple(std))
        self.depth = int(model.config.num_hidden_layers)
        self.patch = int(model.config.patch_size)
        self.prefix = 1 + int(getattr(model.config, "num_register_tokens", 0))
        plain = model.config.model_type == "vit"
        self.family = family if plain else family_of(model.config.model_type)
        # The plain ViT alone has to be told that the image is of another size than its training images.
        self._options = {"interpolate_pos_encoding": True} if plain else {}

    def forward(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]] = ((-1, "token"),)
    ) -> dict[tuple[int, Facet], torch.Tensor]:
        """See :meth:`~ovseg.encoders.vit.DenseModule.forward`."""
        resolved = self.resolve_layers(images, wanted)
        found: dict[tuple[int, Facet], torch.Tensor] = {}
        hooks = [
            self._module(layer, pair[1]).register_forward_hook(_keep(found, pair))
            for pair, layer in resolved.items()
            if pair[1] != "token" or layer < self.depth - 1
        ]
        try:
            output = self.model(self.normalize(images).to(self.model.dtype), **self._options)
        finally:
            for hook in hooks:
                hook.remove()
        found |= {pair: output.last_hidden_state for pair in resolved if pair not in found}
        shape = (len(images), images.shape[-2] // self.patch, images.shape[-1] // self.patch, -1)
        return {pair: found[pair][:, self.prefix :].reshape(shape) for pair in resolved}

    def _module(self, layer: int, facet: Facet) -> nn.Module:
        block = next(
            module[layer]
            for module in self.model.modules()
            if isinstance(module, nn.ModuleList) and len(module) == self.depth
        )
        if facet == "token":
            return block
        return next(
            module
            for name, module in block.named_modules()
            if name.rpartition(".")[2] in _PROJECTIONS[facet] and isinstance(module, nn.Linear)
        )


def _keep(found: dict[tuple[int, Facet], torch.Tensor], pair: tuple[int, Facet]) -> Any:
    def hook(_module: nn.Module, _given: Any, output: Any) -> None:
        found[pair] = output[0] if isinstance(output, tuple) else output

    return hook


def load_transformers(folder: Path, published: str = "") -> TransformersViT:
    """A transformer from a folder with ``config.json`` and weights, in eval mode on the CPU.

    Args:
        folder: Where they lie.
        published: Name of the hub's repository that they come from, if they do.

    Raises:
        DependencyMissing: transformers is not installed.
        UnknownName: The configuration is of another kind of model.
        WeightsUnavailable: Tensors are missing or do not belong to the model.
    """
    try:
        import transformers
    except ImportError as error:
        raise DependencyMissing(
            f"{folder} holds a model of transformers: run  pip install 'ovseg[diffusion]'"
        ) from error
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    if kind not in KINDS:
        raise UnknownName(
            f"{folder} holds a model of type {kind!r}: the visual ones that are read are {', '.join(KINDS)}"
        )
    options = {"add_pooling_layer": False} if kind == "vit" else {}
    with quiet():
        model, info = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32, **options
        )
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        names = sorted(str(key) for key in info.get(problem, ()) if not str(key).startswith(_DISPENSABLE))
        if names:
            raise WeightsUnavailable(
                f"{folder} has not the weights of {type(model).__name__}: {len(names)}"
                f" {problem.replace('_keys', '')} tensors, as {names[0]}"
            )
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    processor = folder / "preprocessor_config.json"
    if processor.is_file():
        table = json.loads(processor.read_text(encoding="utf-8"))
        mean, std = table.get("image_mean", mean), table.get("image_std", std)
    return TransformersViT(model.eval(), mean=mean, std=std, family=family_of(published))
