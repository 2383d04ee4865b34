"""A preset: a model for each role. ``--preset auto`` never takes it, for it knows nothing but colours."""

from ovseg.encoders.presets import PresetCard
from ovseg.encoders.roles import ModelChoice

PRESET = PresetCard(
    "example-colours",
    "colour words and Lab statistics, for photos sorted by colour",
    ModelChoice(image_text_encoder="example:words", backbone="example:lab"),
    auto=False,
)
