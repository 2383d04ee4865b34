"""A preset: a model for each role. ``--preset auto`` never takes it, for it knows nothing but colours."""

from dataclasses import replace

from ovseg.encoders.preset_card import preset_of
from ovseg.encoders.roles import ModelChoice

PRESET = replace(
    preset_of(
        "example-colours",
        "colour words and Lab statistics, for photos sorted by colour",
        ModelChoice(image_text_encoder="example:words", backbone="example:lab"),
    ),
    auto=False,
)
