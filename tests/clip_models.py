"""Open_clip models with seeded random weights, whose attentions are far from uniform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

TINY: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 3, "width": 32, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def sharpened(model: Any) -> Any:
    """Random weights give nearly uniform attention; larger projections make it decide."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("in_proj_weight") or name.endswith("qkv.weight"):
                weight.mul_(3)
            elif name.endswith("bias"):
                weight.normal_(std=0.1)
    return model.eval().requires_grad_(False)


def seeded_tower(architecture: str, seed: int = 0) -> Any:
    """The image tower of one of open_clip's architectures."""
    from open_clip import get_model_config
    from open_clip.model import _build_vision_tower

    torch.manual_seed(seed)
    config = get_model_config(architecture)
    return sharpened(_build_vision_tower(config["embed_dim"], config["vision_cfg"]))


def tiny_model(config: dict[str, Any] = TINY, seed: int = 0) -> Any:
    from open_clip.model import CLIP, set_model_preprocess_cfg

    torch.manual_seed(seed)
    model = sharpened(CLIP(**config))
    set_model_preprocess_cfg(model, {"mean": MEAN, "std": STD})
    return model


def save_folder(folder: Path, model: Any, config: dict[str, Any] = TINY) -> Path:
    """A folder as open_clip's push to the hub leaves it: configuration and weights."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"model_cfg": config, "preprocess_cfg": {"mean": list(MEAN), "std": list(STD)}}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest deviation, relative to the largest entry."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max())
