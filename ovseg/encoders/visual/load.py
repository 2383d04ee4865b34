"""Load a visual encoder, a backbone or prototype backbone, by its spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ovseg.encoders.base import Backbone
from ovseg.encoders.context import LoadContext
from ovseg.encoders.schemes import ModelRequest, backbone_reader, settings_of
from ovseg.encoders.sources import card_for, folder_kind
from ovseg.encoders.visual.timm_vit import load_timm
from ovseg.encoders.visual_encoder import VisualEncoder
from ovseg.encoders.vit import DenseModule
from ovseg.errors import WeightsUnavailable
from ovseg.weights.cards import HubFiles, WeightCard
from ovseg.weights.hub import snapshot_folder
from ovseg.weights.locate import about_weights, find_file, require_checked
from ovseg.weights.spec import ModelSpec, parse_spec


def load_visual(spec: str, context: LoadContext) -> Backbone:
    """Load a visual encoder whose weights are on this machine; nothing is downloaded.

    Args:
        spec: See :mod:`ovseg.weights.spec`.
        context: Device, and dtype of the weights.

    Raises:
        DependencyMissing: It is a diffusion pipeline, and diffusers is not installed.
        UsageError: The spec is malformed.
        UnknownName: There is no such model.
        WeightsUnavailable: Weights are missing, changed, or of another model.
    """
    parsed = parse_spec(card_for(spec).spec or spec)
    return backbone_reader(parsed)(ModelRequest(parsed, context, settings_of(parsed)))


def read_backbone(request: ModelRequest) -> VisualEncoder:
    """Load a model of timm, open_clip, transformers or diffusers; raises as :func:`load_visual` does."""
    spec = str(request.spec)
    card = card_for(spec)
    found = find_file(card)
    if found is not None and (found.parent.parent / "model_index.json").is_file():
        from ovseg.encoders.visual.diffusion import load_diffusion

        return load_diffusion(spec, request.context)
    path = require_checked(card)
    dense = _load(request.spec, card, path)
    about = about_weights(card, spec, path)
    return VisualEncoder(dense.eval(), None, about, request.context)


def _load(spec: ModelSpec, card: WeightCard, path: Path) -> DenseModule:
    if spec.source == "timm":
        return load_timm(spec.name, path)
    if spec.source == "open_clip":
        return _clip(str(spec))
    folder = snapshot_folder(path) if isinstance(card.at, HubFiles) else path.parent
    kind = folder_kind(folder)
    if kind == "timm":
        config = _config(folder)
        return load_timm(_timm_name(config), path, config)
    if kind == "transformers":
        from ovseg.encoders.visual.transformers_vit import load_transformers

        return load_transformers(folder, card.at.repo if isinstance(card.at, HubFiles) else "")
    return _clip(str(spec))


def _clip(spec: str) -> DenseModule:
    """The visual side of a CLIP model."""
    from ovseg.encoders.clip.load import load_model
    from ovseg.encoders.visual.clip_tower import dense_tower

    clip = load_model(spec)
    return dense_tower(clip.model.visual, mean=clip.mean, std=clip.std)


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def _timm_name(config: dict[str, Any]) -> str:
    """Architecture and tag: the tag tells DINO from other weights of the same architecture."""
    tag = (config.get("pretrained_cfg") or {}).get("tag") or ""
    name = config["architecture"]
    if not isinstance(name, str) or not isinstance(tag, str):
        raise WeightsUnavailable("config.json names no architecture of timm")
    return f"{name}.{tag}" if tag else name
