"""From a class to the words that a text-to-image model is given, and where in them its name stands."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovseg.errors import ConfigError, InputError, reason
from ovseg.files import digest
from ovseg.prompts import prompt_path
from ovseg.vocabulary import ClassSpec
from ovseg.vocabulary.lexicon import lexicon

__all__ = ["Prompt", "Prompting", "load_prompting"]


@dataclass(frozen=True)
class Prompt:
    """What the model is given for one picture.

    Attributes:
        text: The prompt.
        negative: What the picture should not have.
        start: Index in ``text`` at which the name of the class begins…
        end: …and the one behind its last letter.
    """

    text: str
    negative: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The class as the prompt calls it."""
        return self.text[self.start : self.end]


@dataclass(frozen=True)
class Prompting:
    """Patterns of prompts.

    Attributes:
        thing: Patterns for countable objects, and for classes of unknown kind.
        stuff: Patterns for the rest.
        negative: The negative prompt.
        words: Other words for class names, by the name in lower case.
    """

    thing: tuple[str, ...]
    stuff: tuple[str, ...]
    negative: str
    words: Mapping[str, str]

    def prompt(self, spec: ClassSpec, number: int, attributes: int = 0) -> Prompt:
        """The prompt of a class's picture by its number, the first ``attributes`` attributes behind it."""
        name = self.words.get(spec.name.casefold(), spec.name)
        patterns = self.stuff if _kind(spec) == "stuff" else self.thing
        article = "an" if name[:1].casefold() in set("aeiou") else "a"
        before, _, behind = patterns[number % len(patterns)].replace("{a}", article).partition("{name}")
        text = before + name + behind
        for attribute in spec.attributes[:attributes]:
            text += f", {attribute}"
        return Prompt(text, self.negative, len(before), len(before) + len(name))

    @property
    def hash(self) -> str:
        """SHA-256 of everything that can change a prompt."""
        return digest([list(self.thing), list(self.stuff), self.negative, dict(self.words)])


def load_prompting(path: str | None = None) -> Prompting:
    """Read patterns from a TOML file; None reads the shipped ``prompts/diffusion.toml``.

    The file has a table ``[prompts]`` with ``thing`` and ``stuff`` (lists of patterns that hold ``{name}``)
    and ``negative``, and may have a table ``[words]`` of other words for class names.

    Raises:
        InputError: The file cannot be read or is not TOML.
        ConfigError: A key is unknown or missing, or a value is not what it should be.
    """
    where = prompt_path("diffusion.toml") if path is None else Path(path)
    try:
        table = tomllib.loads(where.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read prompt patterns {where}: {reason(error)}") from error
    prompts, words = table.get("prompts"), table.get("words", {})
    unknown = sorted(set(table) - {"prompts", "words"})
    if unknown or not isinstance(prompts, dict) or set(prompts) != {"thing", "stuff", "negative"}:
        raise ConfigError(
            f"{where}: expected a table [prompts] with thing, stuff and negative, and perhaps [words]"
        )
    if not isinstance(words, dict) or not all(isinstance(v, str) and v.strip() for v in words.values()):
        raise ConfigError(f"{where}: [words] must give a text for every name")
    if not isinstance(prompts["negative"], str):
        raise ConfigError(f"{where}: negative must be a text")
    return Prompting(
        thing=_patterns(prompts, "thing", where),
        stuff=_patterns(prompts, "stuff", where),
        negative=prompts["negative"],
        words={name.casefold(): word for name, word in words.items()},
    )


def _patterns(table: Mapping[str, Any], key: str, where: Path) -> tuple[str, ...]:
    value = table[key]
    fits = isinstance(value, list) and all(isinstance(v, str) and v.count("{name}") == 1 for v in value)
    if not fits or not value:
        raise ConfigError(f"{where}: {key} must be a list of patterns that each hold {{name}} once")
    return tuple(value)


def _kind(spec: ClassSpec) -> str | None:
    """Thing or stuff, as the class says itself or the lexicon says of its name."""
    if spec.kind is not None:
        return spec.kind
    entries = (entry for entry in lexicon() if entry.name.casefold() == spec.name.casefold())
    return next((entry.kind for entry in entries), None)
