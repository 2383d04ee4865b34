"""Build the encoders of the learned world out of the one image-text model that this package brings."""

from __future__ import annotations

from pathlib import Path

import torch

from learned_world.cards import WORLD_NAMES
from ovseg.encoders.clip.encoder import ClipEncoder
from ovseg.encoders.clip.load import load_model
from ovseg.encoders.visual_encoder import VisualEncoder
from ovseg.encoders.vit import DenseViT

SIDE = 128
"""Side in pixels of the world's scenes, and the ``image_size`` at which the models know what they see."""

WINDOW = (64, 32)
"""Crop and stride in pixels of the image-text model, which has learned on views of 64 pixels."""


def load_world(
    *, device: torch.device, dtype: torch.dtype = torch.float32, cache_dir: Path | None = None
) -> tuple[ClipEncoder, VisualEncoder]:
    """Roles *names* and *shape* out of one image-text model: both towers, and the image tower alone.

    Raises:
        WeightsUnavailable: The weights are missing or have another hash.
    """
    clip = load_model(WORLD_NAMES.name)
    names = ClipEncoder(
        clip,
        device=device,
        dtype=dtype,
        variant="value",
        templates="simple",
        dense_scales=(SIDE,),
        window=WINDOW,
        cache_dir=cache_dir,
    )
    return names, load_world_shape(device=device, dtype=dtype)


def load_world_shape(*, device: torch.device, dtype: torch.dtype = torch.float32) -> VisualEncoder:
    """patch-feature backbone alone; raises as ``load_world`` does."""
    clip = load_model(WORLD_NAMES.name)
    trunk = DenseViT(clip.model.visual.trunk, mean=clip.mean, std=clip.std, family="clip")
    about = {
        "name": f"{WORLD_NAMES.name}-shape",
        "what": f"image tower of: {WORLD_NAMES.what}",
        "sha256": WORLD_NAMES.sha256,
        "licence": WORLD_NAMES.licence,
    }
    return VisualEncoder(trunk.eval(), None, about, device=device, dtype=dtype)
