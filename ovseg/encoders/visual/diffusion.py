"""Patch features of a latent diffusion model, as a prototype backbone or backbone.

- ``query``: as OVDiff takes them (Karazija et al., ECCV 2024, section 3.3): the picture's latents with the
  noise of one time step go through the U-Net once, with an empty prompt; the queries of its cross-attention
  layers are brought to the latents' grid, each to unit length, and laid side by side.
- ``token``: after LD-ZNet (PNVR et al., ICCV 2023, section 3): the latents themselves and the outputs of the
  U-Net's decoder blocks, likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ovseg.encoders.context import LoadContext
from ovseg.encoders.sources import card_for
from ovseg.encoders.visual_encoder import VisualEncoder
from ovseg.encoders.vit import DenseModule, Facet
from ovseg.errors import ConfigError, DependencyMissing, WeightsUnavailable
from ovseg.quiet import quiet
from ovseg.weights.cards import HubFiles
from ovseg.weights.hub import snapshot_folder
from ovseg.weights.locate import require_checked, sha256_of


@dataclass(frozen=True)
class DiffusionFeaturesConfig:
    """Which features of a diffusion model are taken; OVDiff's settings by default.

    (Settings of generation: ``ovseg.support.diffusion.config.DiffusionConfig``.)

    Attributes:
        timestep: Of the noise, of the schedule's (usually 1000).
        seed: Of the noise, which is the same for every picture of a size.
        layers: Which cross-attention layers, counted from the first of the encoder over the middle to the
            last of the decoder; None: OVDiff's where there are 16, all of them otherwise.

    Raises:
        ConfigError: A value is out of range.
    """

    timestep: int = 200
    seed: int = 43
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.timestep < 0 or self.seed < 0:
            raise ConfigError("timestep and seed must be at least 0")
        if self.layers is not None and (not self.layers or min(self.layers) < 0):
            raise ConfigError(f"layers must be numbers of at least 0, not {self.layers}")


OVDIFF_LAYERS = (0, *range(6, 13), 15)
"""Of the 16 in Stable Diffusion 1.5: encoder 0, the middle, decoder 1 and 2, and the last of decoder 3."""


class DiffusionFeatures(DenseModule):
    """Patch features of a latent diffusion model, one patch per latent.

    Args:
        unet: A ``UNet2DConditionModel``.
        vae: Its ``AutoencoderKL``.
        scheduler: A scheduler that can ``add_noise``.
        prompt: (1, L, E) embedding of the empty prompt.
        config: Which features are taken.

    Raises:
        ConfigError: The model has no such time step or layer.
    """

    facets = ("query", "token")
    depth = 1
    family = "diffusion"

    def __init__(
        self,
        unet: Any,
        vae: Any,
        scheduler: Any,
        prompt: torch.Tensor,
        config: DiffusionFeaturesConfig | None = None,
    ) -> None:
        super().__init__()
        self.config = config or DiffusionFeaturesConfig()
        self.unet, self.vae = unet, vae
        self.prompt: torch.Tensor
        self.register_buffer("prompt", prompt, persistent=False)
        self._scheduler = scheduler
        self.patch = 2 ** (len(vae.config.block_out_channels) - 1)
        steps = int(scheduler.config.num_train_timesteps)
        if self.config.timestep >= steps:
            raise ConfigError(f"timestep must be below {steps}, the model's number of steps")
        attention = cross_attention_layers(unet)
        layers = self.config.layers or (OVDIFF_LAYERS if len(attention) == 16 else range(len(attention)))
        if max(layers) >= len(attention):
            raise ConfigError(
                f"layers must be below {len(attention)}, the model's number of cross-attentions"
            )
        self._attention = [attention[layer] for layer in layers]

    def forward(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]] = ((-1, "query"),)
    ) -> dict[tuple[int, Facet], torch.Tensor]:
        """(B, 3, H, W) in [0, 1] to (B, H / patch, W / patch, D) for layer -1 (or 0) and each facet."""
        resolved = self.resolve_layers(images, wanted)
        latents = self.latents(images)
        grid = (int(latents.shape[-2]), int(latents.shape[-1]))
        kept: dict[str, list[torch.Tensor]] = {"query": [], "token": []}
        hooks = []
        if any(facet == "query" for _, facet in resolved):
            # A layer's tokens are a grid whose shape only the transformer around it knows.
            for place in self._attention:
                hooks += place.register_hooks(kept["query"].append)
        if any(facet == "token" for _, facet in resolved):
            kept["token"].append(latents)
            hooks += [
                block.register_forward_hook(lambda _m, _i, out: kept["token"].append(_first(out)))
                for block in self.unet.up_blocks
            ]
        try:
            self.unet(self._noisy(latents), self.config.timestep, self.prompt.expand(len(images), -1, -1))
        finally:
            for hook in hooks:
                hook.remove()
        return {pair: concatenated_on_grid(kept[pair[1]], grid) for pair in resolved}

    def latents(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1] to (B, C, H / patch, W / patch) scaled latents, their mean."""
        weight = next(self.vae.parameters())
        encoded = self.vae.encode((2 * images - 1).to(weight.dtype)).latent_dist.mean
        return encoded * self.vae.config.scaling_factor  # type: ignore[no-any-return]

    def _noisy(self, latents: torch.Tensor) -> torch.Tensor:
        # Drawn on the CPU, once for all pictures: the same in any batch and on any device.
        generator = torch.Generator().manual_seed(self.config.seed)
        noise = torch.randn(latents.shape[1:], generator=generator).to(latents)
        step = torch.tensor([self.config.timestep], device=latents.device)
        return self._scheduler.add_noise(latents, noise[None], step)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class CrossAttention:
    """One cross-attention layer and the transformer around it."""

    around: nn.Module
    query: nn.Module

    def register_hooks(self, keep: Callable[[torch.Tensor], None]) -> list[Any]:
        """Register hooks that pass the layer's queries on as (B, C, h, w)."""
        grids: list[torch.Size] = []

        def enter(_module: nn.Module, given: tuple[Any, ...], options: dict[str, Any]) -> None:
            grids.append((given[0] if given else options["hidden_states"]).shape[-2:])

        def leave(_module: nn.Module, _given: Any, queries: torch.Tensor) -> None:
            keep(queries.transpose(1, 2).reshape(len(queries), -1, *grids[-1]))

        return [
            self.around.register_forward_pre_hook(enter, with_kwargs=True),
            self.query.register_forward_hook(leave),
        ]


def cross_attention_layers(unet: Any) -> list[CrossAttention]:
    """Cross-attention layers in the order of the forward pass: encoder, middle, decoder."""
    blocks = [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
    return [
        CrossAttention(transformer, inner.attn2.to_q)
        for block in blocks
        for transformer in getattr(block, "attentions", None) or ()
        for inner in transformer.transformer_blocks
        if inner.attn2 is not None
    ]


def concatenated_on_grid(features: Sequence[torch.Tensor], grid: tuple[int, int]) -> torch.Tensor:
    """Resample (B, C, h, w) features to one grid, bilinear, each of unit length: (B, h', w', sum of C)."""
    parts = [
        F.normalize(F.interpolate(entry.float(), grid, mode="bilinear", align_corners=False), dim=1)
        for entry in features
    ]
    return torch.cat(parts, dim=1).permute(0, 2, 3, 1)


def _first(output: Any) -> torch.Tensor:
    found: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return found


def load_diffusion(
    spec: str, context: LoadContext, config: DiffusionFeaturesConfig | None = None
) -> VisualEncoder:
    """Load a diffusion pipeline that is on this machine as a visual encoder; nothing is downloaded.

    Args:
        spec: ``hf-hub:owner/repo``, ``local-dir:/path`` or a name on record.
        context: Device, and dtype of the weights.
        config: Which features are taken.

    Raises:
        ConfigError: The model has no such time step or layer.
        DependencyMissing: diffusers or transformers is not installed.
        UnknownName: There is no such model.
        WeightsUnavailable: Weights are missing, changed, or no pipeline of this kind.
    """
    card = card_for(spec)
    path = require_checked(card)
    folder = snapshot_folder(path) if isinstance(card.at, HubFiles) else path.parents[1]
    dense = read_pipeline(folder, config)
    about = {
        "name": card.name,
        "what": f"{card.what} (diffusion)",
        "spec": card.spec,
        "sha256": sha256_of(path),
        "licence": card.licence,
        "timestep": dense.config.timestep,
        "seed": dense.config.seed,
    }
    return VisualEncoder(dense.eval(), None, about, context)


def read_pipeline(folder: Path, config: DiffusionFeaturesConfig | None = None) -> DiffusionFeatures:
    """Read what features need of a pipeline's folder: U-Net, autoencoder, schedule, text encoder.

    Raises:
        ConfigError: The model has no such time step or layer.
        DependencyMissing: diffusers or transformers is not installed.
        WeightsUnavailable: The folder holds no such pipeline.
    """
    try:
        with quiet():
            from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
            from transformers import CLIPTextModel, CLIPTokenizer
    except ImportError as error:
        raise DependencyMissing(
            "features of diffusion models need diffusers: run  pip install 'ovseg[diffusion]'"
        ) from error
    local: dict[str, Any] = {"local_files_only": True}
    try:
        with quiet():
            unet = UNet2DConditionModel.from_pretrained(folder / "unet", use_safetensors=True, **local)
            vae = AutoencoderKL.from_pretrained(folder / "vae", use_safetensors=True, **local)
            scheduler = DDPMScheduler.from_pretrained(folder / "scheduler", **local)
            tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", **local)
            text = CLIPTextModel.from_pretrained(folder / "text_encoder", use_safetensors=True, **local)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsUnavailable(f"{folder} is no Stable Diffusion pipeline: {reason}") from error
    with torch.inference_mode():
        tokens = tokenizer("", padding="max_length", max_length=tokenizer.model_max_length, truncation=True)
        prompt = text.eval()(torch.tensor([tokens["input_ids"]])).last_hidden_state.clone()
    return DiffusionFeatures(unet.eval(), vae.eval(), scheduler, prompt, config)
