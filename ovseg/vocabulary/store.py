"""Vocabulary files: the shipped ones by name, anybody's by path (TOML)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, cast

from ovseg.errors import ConfigError, InputError, UnknownName, reason
from ovseg.prompts import prompts_dir
from ovseg.vocabulary.class_spec import ClassSpec, Kind
from ovseg.vocabulary.model import Vocabulary

_CLASS_KEYS = {"name", "synonyms", "attributes", "appearance", "negatives", "kind"}
_TOP_KEYS = {"class", "background", "has_background", "title", "description"}


def vocabulary_names() -> list[str]:
    """Names of the shipped vocabularies."""
    return sorted(path.stem for path in (prompts_dir() / "vocabularies").glob("*.toml"))


def load_vocabulary(name: str) -> Vocabulary:
    """Load a shipped vocabulary by name, or one of the user's by the path of its TOML file.

    The file holds ``background = ["wall", …]`` (words for everything else), ``has_background``, and a table
    ``[[class]]`` per class with ``name`` and optionally ``synonyms``, ``attributes``, ``appearance``,
    ``negatives`` (lists of words) and ``kind`` (``"thing"`` or ``"stuff"``).

    Raises:
        UnknownName: Neither a shipped vocabulary nor a file.
        InputError: The file cannot be read or is not TOML.
        ConfigError: An unknown key or a value of the wrong type.
    """
    if name in vocabulary_names():
        path = prompts_dir() / "vocabularies" / f"{name}.toml"
    else:
        path = Path(name)
        if not path.is_file() and path.suffix == ".toml":
            raise UnknownName(f"no such vocabulary file: {name}")
        if not path.is_file():
            raise UnknownName(
                f"unknown vocabulary {name!r}: give a TOML file or one of {', '.join(vocabulary_names())}"
            )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read vocabulary {path}: {reason(error)}") from error
    return vocabulary_from_table(table, source=name)


def vocabulary_from_table(table: dict[str, Any], *, source: str) -> Vocabulary:
    """Check a parsed TOML table and turn it into a vocabulary; raises ``ConfigError`` on any surprise."""
    _refuse_unknown(table, _TOP_KEYS, source)
    has_background = table.get("has_background", True)
    if not isinstance(has_background, bool):
        raise ConfigError(f"{source}: has_background must be true or false")
    entries = table.get("class", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{source}: classes must be given as [[class]] tables")
    return Vocabulary(
        classes=tuple(class_from_table(entry, source) for entry in entries),
        background=_words(table, "background", source),
        has_background=has_background,
        source=source,
    )


def class_from_table(entry: dict[str, Any], source: str) -> ClassSpec:
    """One ``[[class]]`` table as a value; raises ``ConfigError`` on any surprise."""
    where = f"{source}: class {entry.get('name', '?')!r}"
    _refuse_unknown(entry, _CLASS_KEYS, where)
    name = entry.get("name")
    if not isinstance(name, str):
        raise ConfigError(f"{source}: a [[class]] has no name")
    kind = entry.get("kind")
    if kind not in (None, "thing", "stuff"):
        raise ConfigError(f"{where}: kind must be 'thing' or 'stuff', not {kind!r}")
    lists = {key: _words(entry, key, where) for key in ("synonyms", "attributes", "appearance", "negatives")}
    try:
        return ClassSpec(name=name, kind=cast("Kind | None", kind), **lists)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def _words(table: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) and word.strip() for word in value):
        raise ConfigError(f"{where}: {key} must be a list of words")
    return tuple(value)


def _refuse_unknown(table: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
