"""What this package adds to ovseg; the entry point of the group ``ovseg.plugins`` calls :func:`register`."""

from __future__ import annotations


def register() -> None:
    """Register the demonstration, the weights, the preset, and the architecture of the models with timm."""
    import learned_world.early_conv  # noqa: F401 (files the architecture)
    from learned_world.cards import WORLD_NAMES
    from learned_world.demo import prepare
    from learned_world.preset import WORLD
    from ovseg.cli.demonstrations import DEMONSTRATIONS
    from ovseg.encoders.presets import PRESETS
    from ovseg.weights.cards import record

    DEMONSTRATIONS.register("world")(prepare)
    record(WORLD_NAMES)
    PRESETS.register(WORLD.name)(WORLD)
