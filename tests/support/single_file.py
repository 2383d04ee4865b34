"""A pipeline's weights under the names that the first Stable Diffusion checkpoints gave them, in one file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def save_single_file(pipe: Any, path: Path) -> Path:
    """Write U-Net, autoencoder and text encoder of a pipeline as one checkpoint."""
    unet = {
        "model.diffusion_model." + _unet_name(name, pipe.unet.config.layers_per_block): value
        for name, value in pipe.unet.state_dict().items()
    }
    levels = len(pipe.vae.config.block_out_channels)
    vae: dict[str, torch.Tensor] = {}
    for name, value in pipe.vae.state_dict().items():
        other = _vae_name(name, levels)
        # Attention of the autoencoder was made of convolutions of one pixel.
        pixel = ".attn_1." in other and value.ndim == 2
        vae["first_stage_model." + other] = value[:, :, None, None] if pixel else value
    text = {}
    for name, value in pipe.text_encoder.state_dict().items():
        text["cond_stage_model.transformer.text_model." + name.removeprefix("text_model.")] = value
    state = {key: value.contiguous().clone() for key, value in (unet | vae | text).items()}
    save_file(state, path)
    return path


def _unet_name(name: str, layers: int) -> str:
    for old, new in (
        ("time_embedding.linear_1", "time_embed.0"),
        ("time_embedding.linear_2", "time_embed.2"),
        ("conv_in", "input_blocks.0.0"),
        ("conv_norm_out", "out.0"),
        ("conv_out", "out.2"),
    ):
        if name.startswith(old):
            return name.replace(old, new, 1)
    kind, block, part, index, rest = _parts(name)
    if kind == "mid_block":
        place = "middle_block." + ("1" if part == "attentions" else str(2 * index))
    elif part == "downsamplers":
        return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{rest.removeprefix('conv.')}"
    elif part == "upsamplers":
        return f"output_blocks.{block * (layers + 1) + layers}.2.{rest}"
    else:
        place = (
            f"input_blocks.{block * (layers + 1) + 1 + index}"
            if kind == "down_blocks"
            else f"output_blocks.{block * (layers + 1) + index}"
        )
        place += ".1" if part == "attentions" else ".0"
    if part == "resnets":
        rest = _renamed(rest, _RESNET)
    return f"{place}.{rest}"


def _parts(name: str) -> tuple[str, int, str, int, str]:
    found = re.fullmatch(r"(mid_block|down_blocks|up_blocks)\.(?:(\d+)\.)?(\w+)\.(\d+)\.(.*)", name)
    assert found, name
    kind, block, part, index, rest = found.groups()
    return kind, int(block or 0), part, int(index), rest


def _vae_name(name: str, levels: int) -> str:
    half, _, inner = name.partition(".")
    if half not in ("encoder", "decoder"):
        return name
    if not re.match(r"(mid_block|down_blocks|up_blocks)", inner):
        return f"{half}.{inner.replace('conv_norm_out', 'norm_out')}"
    kind, block, part, index, rest = _parts(inner)
    rest = rest.replace("conv_shortcut", "nin_shortcut")
    if kind == "mid_block":
        if part == "attentions":
            return f"{half}.mid.attn_1.{_renamed(rest, _ATTENTION)}"
        return f"{half}.mid.block_{index + 1}.{rest}"
    place = f"{half}.down.{block}" if kind == "down_blocks" else f"{half}.up.{levels - 1 - block}"
    if part == "resnets":
        return f"{place}.block.{index}.{rest}"
    return f"{place}.{part.removesuffix('rs')}.{rest}"


def _renamed(text: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        if text.startswith(old + "."):
            return text.replace(old, new, 1)
    return text
