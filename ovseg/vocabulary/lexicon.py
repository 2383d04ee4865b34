"""The lexicon: what everyday words look like, for words that an encoder may have no picture of."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt

from ovseg.prompts import prompt_path, read_lines
from ovseg.vocabulary.class_spec import ClassSpec
from ovseg.vocabulary.store import class_from_table

TextEncoder = Callable[[Sequence[str]], npt.NDArray[np.float32]]

NEAREST = 0.75
"""Least cosine similarity at which a word takes over what the lexicon says of another.

Chosen on words alone, with MiniLM: lawn and grass 0.83, ocean and sea 0.87, couch and sofa 0.86; but boat and
sea 0.65, train and railway track 0.66, avenue and road 0.64."""


@cache
def lexicon() -> tuple[ClassSpec, ...]:
    """All entries, in the order of ``prompts/lexicon.toml``."""
    table = tomllib.loads(prompt_path("lexicon.toml").read_text(encoding="utf-8"))
    return tuple(class_from_table(entry, "lexicon") for entry in table["class"])


@cache
def background_words() -> tuple[str, ...]:
    """The words for everything else (``prompts/background.txt``)."""
    return tuple(read_lines("background.txt"))


def enrich(
    specs: Sequence[ClassSpec], encode_text: TextEncoder | None, synonym_cosine: float = NEAREST
) -> tuple[ClassSpec, ...]:
    """Give each class what it is missing from the lexicon.

    A class is looked up by its own words first; failing that, by the nearest entry in the text encoder's
    space, if that is near enough to mean the same. Only the kind and looks of the nearest are taken over,
    not its attributes. What the user has given stays.

    Args:
        specs: As the user gave them.
        encode_text: Texts to (T, D) unit-length embeddings; None: only words that the lexicon has are known.
        synonym_cosine: Least cosine at which two texts of that space mean the same.
    """
    entries = lexicon()
    by_word = {word.casefold(): entry for entry in entries for word in entry.words}
    known = [
        next((by_word[w.casefold()] for w in spec.words if w.casefold() in by_word), None) for spec in specs
    ]
    unknown = [spec.name for spec, entry in zip(specs, known, strict=True) if entry is None]
    nearest = iter(_nearest(unknown, entries, encode_text, synonym_cosine))
    enriched = []
    for spec, entry in zip(specs, known, strict=True):
        source = entry or next(nearest)
        if source is not None:
            spec = replace(
                spec,
                kind=spec.kind or source.kind,
                attributes=spec.attributes or (entry.attributes if entry else ()),
                appearance=spec.appearance or source.appearance,
            )
        enriched.append(spec)
    return tuple(enriched)


def _nearest(
    names: Sequence[str], entries: Sequence[ClassSpec], encode_text: TextEncoder | None, least: float
) -> list[ClassSpec | None]:
    """For each name the entry of like meaning, or None."""
    if not names or encode_text is None:
        return [None] * len(names)
    synonym_cosine = encode_text(names) @ encode_text([entry.name for entry in entries]).T
    return [entries[int(row.argmax())] if row.max() >= least else None for row in synonym_cosine]
