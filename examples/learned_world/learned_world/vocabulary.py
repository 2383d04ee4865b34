"""The world's names as a vocabulary: what is asked for, and all else that there is as background."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from learned_world.encoders import SIDE
from learned_world.names import STUFF, THINGS
from ovseg.config import SegmentConfig
from ovseg.vocabulary import ClassSpec, Vocabulary

FILE = Path(__file__).parent / "data" / "vocabulary.toml"
"""All things and stuff, for the command line."""

SEGMENT = SegmentConfig().with_settings(
    image_size=SIDE, refine_side=SIDE, stuff_appearance=0.0, thing_appearance=0.0
)
"""The size at which the models know what they see; things come in any colour, so looks say nothing."""


def world_vocabulary(classes: Sequence[str], *, has_background: bool = True) -> Vocabulary:
    """Things and stuff by name, with kinds; names that are not asked for are words for the background."""
    specs = tuple(ClassSpec(name, kind="stuff" if name in STUFF else "thing") for name in classes)
    others = tuple(name for name in (*STUFF, *THINGS) if name not in classes)
    return Vocabulary(specs, others if has_background else (), has_background, "the learned world")
