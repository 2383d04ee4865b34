"""The lexicon: what everyday words look like, for words that an encoder may have no picture of."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt

from ovseg.prompts import prompt_path, read_lines
from ovseg.vocabulary.model import ClassSpec, Vocabulary
from ovseg.vocabulary.store import class_from_table

TextEncoder = Callable[[Sequence[str]], npt.NDArray[np.float32]]

NEAREST = 0.6
"""Least cosine similarity at which a word takes over what the lexicon says of another."""


@cache
def lexicon() -> tuple[ClassSpec, ...]:
    """All entries, in the order of ``prompts/lexicon.toml``."""
    table = tomllib.loads(prompt_path("lexicon.toml").read_text(encoding="utf-8"))
    return tuple(class_from_table(entry, "lexicon") for entry in table["class"])


@cache
def background_words() -> tuple[str, ...]:
    """The words for everything else (``prompts/background.txt``)."""
    return tuple(read_lines("background.txt"))


def enrich(vocabulary: Vocabulary, encode_text: TextEncoder) -> Vocabulary:
    """Give each class what it is missing from the lexicon, and the vocabulary its background words.

    A class is looked up by its own words first; failing that, by the nearest entry in the text encoder's
    space, if that is near enough. Only the kind and looks of the nearest are taken over, not its attributes:
    a word near in meaning is seldom worn, held or made of the same. What the user has given stays.

    Args:
        vocabulary: As the user gave it.
        encode_text: Texts to (T, D) unit-length embeddings.
    """
    entries = lexicon()
    by_word = {word.casefold(): entry for entry in entries for word in entry.words}
    heads = [entry.name for entry in entries]
    names = [spec.name for spec in vocabulary.classes]
    nearness = encode_text(names) @ encode_text(heads).T

    classes = []
    for spec, row in zip(vocabulary.classes, nearness, strict=True):
        entry = next((by_word[w.casefold()] for w in spec.words if w.casefold() in by_word), None)
        if entry is not None:
            spec = replace(
                spec,
                kind=spec.kind or entry.kind,
                attributes=spec.attributes or entry.attributes,
                looks=spec.looks or entry.looks,
            )
        elif row.max() >= NEAREST:
            near = entries[int(row.argmax())]
            spec = replace(spec, kind=spec.kind or near.kind, looks=spec.looks or near.looks)
        classes.append(spec)
    return replace(vocabulary, classes=tuple(classes), background=vocabulary.background or background_words())
