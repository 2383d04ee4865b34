"""What is said of a scene: captions from its names, and the words of which they are made."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Protocol

import numpy as np

from learned_world.names import STUFF, THINGS
from learned_world.scenes import COLOURS
from ovseg.prompts import read_lines


class Told(Protocol):
    """What there is to say of a picture: a :class:`~learned_world.scenes.Scene` knows it."""

    @property
    def things(self) -> tuple[str, ...]:
        """Names of objects."""

    @property
    def colours(self) -> tuple[str, ...]:
        """The colour of each."""

    @property
    def stuff(self) -> tuple[str, ...]:
        """Names of backgrounds; none where it has no name."""


PICTURES = ("", "", "a picture of ", "a photo of ", "a good picture of ", "an image of ")
"""What a caption may begin with."""

OTHER_WORDS = [
    "text",
    "low",
    "quality",
    "blurry",
    "cartoon",
    "meme",
    "resolution",
    "bad",
    "poor",
    "faded",
    "background",
    "thing",
    "stuff",
    "object",
    "wall",
    "floor",
    "watermark",
    "drawing",
    "table",
    "food",
    "person",
    "dog",
    "road",
    "building",
    "cloud",
    "there",
    "is",
    "in",
    "scene",
    "this",
    "one",
    "the",
]
"""Words of usual prompts and negative prompts that mean nothing in this world."""

NOISE = tuple(word for word in OTHER_WORDS if word not in ("the", "is", "in", "there", "this", "one"))


@cache
def templates() -> tuple[str, ...]:
    """Prompt templates with {}: those that ovseg ships, so that the models know their words."""
    shipped = read_lines("templates", "imagenet80.txt")
    return (
        *shipped,
        "there is a {} in the scene.",
        "there is the {} in the scene.",
        "this is a {} in the scene.",
    )


def caption(scene: Told, rng: np.random.Generator) -> str:
    """One sentence about a scene: names its objects, often its background, now and then a colour."""
    ground = " and ".join(scene.stuff)
    if not scene.things:
        return f"{PICTURES[int(rng.integers(len(PICTURES)))]}{ground}"
    if len(set(scene.things)) == 1 and rng.random() < 0.35:
        shipped = templates()
        return shipped[int(rng.integers(len(shipped)))].format(scene.things[0])
    seen: dict[str, str] = {}
    for thing, colour in zip(scene.things, scene.colours, strict=True):
        seen.setdefault(thing, f"{colour} " if rng.random() < 0.15 else "")
    order = [list(seen)[int(i)] for i in rng.permutation(len(seen))]
    bare = rng.random() < 0.15
    named = " and ".join(
        f"{'' if bare else _article(seen[thing] + thing)}{seen[thing]}{thing}" for thing in order
    )
    start = "" if bare else PICTURES[int(rng.integers(len(PICTURES)))]
    return f"{start}{named} on {ground}" if rng.random() < 0.65 and ground else f"{start}{named}"


def _article(words: str) -> str:
    return "an " if words[0] in "aeiou" else "a "


def names_in(text: str) -> frozenset[str]:
    """What a caption says: names of things and stuff, and things with their colours."""
    words = text.rstrip(".").split()
    said = {word for word in words if word in THINGS or word in STUFF}
    said |= {f"{a} {b}" for a, b in itertools.pairwise(words) if a in COLOURS and b in THINGS}
    return frozenset(said)


def names_of(scene: Told) -> frozenset[str]:
    """Whatever a caption may say of a scene."""
    coloured = (f"{colour} {thing}" for thing, colour in zip(scene.things, scene.colours, strict=True))
    return frozenset((*scene.things, *scene.stuff, *coloured))


def noise_caption(rng: np.random.Generator) -> str:
    """A few words that say nothing of any scene, as negative prompts do."""
    count = int(rng.integers(1, 12))
    words = [NOISE[int(i)] for i in rng.integers(0, len(NOISE), count)]
    return ", ".join(words)


def vocabulary_words() -> list[str]:
    """Every word of every caption, in a fixed order."""
    texts = [*templates(), *PICTURES, *THINGS, *STUFF, *COLOURS, *OTHER_WORDS, "and on a an the"]
    words = {word for text in texts for word in text.lower().replace("{}", " ").strip(" .").split()}
    return sorted(word.strip(".,") for word in words)
