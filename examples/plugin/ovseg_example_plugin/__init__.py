"""One plug-in of each kind for ovseg, small enough to be read in one sitting.

``register`` is what the entry point names. It tells names, places and settings; the modules of the places are
imported when something is asked for. This module and ``settings`` import nothing heavy, for lists need them.
"""

from ovseg.registry import provide
from ovseg_example_plugin.settings import ColourSettings, CountSettings, PaintedSettings, SwatchSettings

__all__ = ["register"]


def register() -> None:
    """Offer everything that this package brings."""
    here = "ovseg_example_plugin"
    provide(
        "encoder",
        "example",
        f"{here}.encoders:SCHEME",
        summary="example:lab, Lab statistics of patches; example:words, colour words",
        settings=ColourSettings,
    )
    provide("preset", "example-colours", f"{here}.preset:PRESET", summary="example:words with example:lab")
    provide(
        "format",
        "class-counts",
        f"{here}.counts:CountWriter",
        summary="counts.csv, the pixels of each class in each photo",
        settings=CountSettings,
        tags=("mask-only",),
    )
    provide(
        "dataset",
        "painted",
        f"{here}.painted:PAINTED",
        summary="your own images with truth painted in colours",
        settings=PaintedSettings,
    )
    provide(
        "source",
        "swatches",
        f"{here}.swatches:open_swatches",
        summary="drawn ellipses in the colour that a class has in its name",
        settings=SwatchSettings,
    )
