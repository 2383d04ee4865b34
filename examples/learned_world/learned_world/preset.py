"""The preset ``world``: one image-text model as image-text encoder and as backbone."""

from __future__ import annotations

from learned_world.cards import WORLD_NAMES
from learned_world.encoders import load_backbone, load_image_text
from learned_world.names import STUFF, THINGS
from ovseg.encoders.base import FeatureSpace
from ovseg.encoders.presets import EncoderSource, PresetCard

WORLD = PresetCard(
    name="world",
    summary="a small model of the learned world, for its drawn pictures only",
    image_text=EncoderSource(load_image_text, (WORLD_NAMES,)),
    backbone=EncoderSource(load_backbone, (WORLD_NAMES,)),
    spaces=(FeatureSpace("world-shape", "backbone"), FeatureSpace("world-names", "image_text")),
    words=(*THINGS, *STUFF),
    auto=False,
)
