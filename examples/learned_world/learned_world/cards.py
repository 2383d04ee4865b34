"""The weights of the image-text model on record."""

from __future__ import annotations

from ovseg.weights.cards import PackageFile, WeightCard

WORLD_NAMES = WeightCard(
    name="world-names",
    what="image-text model of the learned world, in CLIP's form (open_clip)",
    at=PackageFile("ovseg-learned-world", "", "learned_world", "weights/names/open_clip_model.safetensors"),
    sha256="1b3143f387470865fbadb8727f92343a75b00504048b8fae92006ce904e06928",
    size_bytes=1_372_194,
    licence="Apache-2.0",
    source="python -m learned_world.train.image_text",
    commercial=True,
)
