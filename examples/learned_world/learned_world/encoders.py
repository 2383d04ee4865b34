"""Build the encoders of the learned world out of the one image-text model that this package brings."""

from __future__ import annotations

from learned_world.cards import WORLD_NAMES
from ovseg.encoders.clip.encoder import ClipConfig, ClipEncoder
from ovseg.encoders.clip.load import load_model
from ovseg.encoders.context import LoadContext
from ovseg.encoders.visual_encoder import VisualEncoder
from ovseg.encoders.vit import DenseViT

SIDE = 128
"""Side in pixels of the world's scenes, and the ``image_size`` at which the models know what they see."""

WINDOW = (64, 32)
"""Crop and stride in pixels of the image-text model, which has learned on views of 64 pixels."""


def load_image_text(context: LoadContext) -> ClipEncoder:
    """Load both towers of the image-text model; raises ``WeightsUnavailable``."""
    config = ClipConfig(variant="value", templates="simple", dense_scales=(SIDE,), window=WINDOW)
    return ClipEncoder(load_model(WORLD_NAMES.name), context, config)


def load_backbone(context: LoadContext) -> VisualEncoder:
    """Load the image tower of the image-text model as a backbone; raises ``WeightsUnavailable``."""
    clip = load_model(WORLD_NAMES.name)
    trunk = DenseViT(clip.model.visual.trunk, mean=clip.mean, std=clip.std, family="clip")
    about = {
        "name": f"{WORLD_NAMES.name}-shape",
        "what": f"image tower of: {WORLD_NAMES.what}",
        "sha256": WORLD_NAMES.sha256,
        "licence": WORLD_NAMES.licence,
    }
    return VisualEncoder(trunk.eval(), None, about, context)
