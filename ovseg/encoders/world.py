"""Build the models of the learned world (``docs/world.md``), which ovseg brings itself."""

from __future__ import annotations

from pathlib import Path

import torch

from ovseg.encoders.clip.encoder import ClipEncoder
from ovseg.encoders.clip.load import load_model
from ovseg.encoders.clip.spec import ClipSpec
from ovseg.encoders.shape import DinoShape
from ovseg.encoders.visual.load import load_visual
from ovseg.weights.cards import WORLD_FEATURES, WORLD_NAMES
from ovseg.weights.locate import require_checked

SIDE = 128
"""Side in pixels of the world's scenes, and the ``image_size`` at which the models know what they see."""

WINDOW = (64, 32)
"""Crop and stride in pixels of the image-text model, which has learned on views of 64 pixels."""


def load_world_names(
    *, device: torch.device, dtype: torch.dtype = torch.float32, cache_dir: Path | None = None
) -> ClipEncoder:
    """Role *names*: CLIP's two towers in small; raises ``WeightsUnavailable``."""
    card = WORLD_NAMES
    folder = require_checked(card).parent
    about = {"name": card.name, "what": card.what, "sha256": card.sha256, "licence": card.licence}
    return ClipEncoder(
        load_model(ClipSpec.parse(f"local-dir:{folder}")),
        about,
        device=device,
        dtype=dtype,
        variant="value",
        templates="simple",
        dense_sides=(SIDE,),
        window=WINDOW,
        cache_dir=cache_dir,
    )


def load_world_shape(*, device: torch.device, dtype: torch.dtype = torch.float32) -> DinoShape:
    """Role *shape*: a small transformer trained without captions; raises ``WeightsUnavailable``."""
    return load_visual(WORLD_FEATURES.name, device=device, dtype=dtype)
