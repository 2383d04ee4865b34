"""What may be said of a class's looks: aspects that pixels can be asked for, and their words."""

from __future__ import annotations

from ovseg.errors import ConfigError

__all__ = ["ASPECTS", "parse_appearance"]

ASPECTS: dict[str, tuple[str, ...]] = {
    # The basic colour terms of Berlin & Kay (1969).
    "colour": (
        *("black", "white", "grey", "red", "green", "yellow", "blue"),
        *("brown", "orange", "pink", "purple"),
    ),
    "place": ("top", "middle", "bottom"),
    "texture": ("smooth", "fine", "rough"),
}
"""Words of each aspect, in the order of the columns in ``ovseg.matching.appearance``."""


def parse_appearance(entry: str) -> tuple[str, list[str]]:
    """``"colour: blue, white"`` as its aspect and words.

    Raises:
        ConfigError: An aspect or word that is not in ``ASPECTS``, or no word.
    """
    aspect, _, text = entry.partition(":")
    aspect = aspect.strip()
    if aspect not in ASPECTS:
        raise ConfigError(f"appearance: unknown aspect in {entry!r}; there is {', '.join(ASPECTS)}")
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or any(word not in ASPECTS[aspect] for word in words):
        raise ConfigError(f"appearance: {entry!r} needs words of {', '.join(ASPECTS[aspect])}")
    return aspect, words
