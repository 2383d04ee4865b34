"""Classes as users type them: ``"cat, dog"``, ``"sofa=sofa,couch,settee"``, a file with a name a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ovseg.errors import InputError, UsageError, reason
from ovseg.vocabulary.class_spec import ClassSpec


def parse_class(text: str) -> ClassSpec:
    """One class with optional synonyms: ``"sofa"`` or ``"sofa=sofa,couch,settee"``.

    Raises:
        UsageError: Nothing stands before or after the ``=``, or between two commas; or a second ``=``.
    """
    name, equals, rest = text.partition("=")
    name = " ".join(name.split())
    if not name:
        raise UsageError(f"empty class name in {text!r}: give every class a name")
    if not equals:
        return ClassSpec(name)
    if "=" in rest:
        raise UsageError(
            f"two classes in {text.strip()!r}: end the first with a semicolon, as in 'a=b,c; d=e'"
        )
    words = _between_commas(rest)
    if not all(words):
        raise UsageError(f"empty synonym in {text!r}: write name=word,word")
    return ClassSpec(name, synonyms=tuple(word for word in dict.fromkeys(words) if word != name))


def _between_commas(text: str) -> list[str]:
    """What stands between commas, spaces tidied; a comma at the end is a habit, not an empty word."""
    words = [" ".join(word.split()) for word in text.split(",")]
    return words if len(words) == 1 or words[-1] else words[:-1]


def parse_classes(values: Sequence[str]) -> tuple[ClassSpec, ...]:
    """Classes of one or more ``-c`` values.

    A value is a list of names between commas. Where a name is followed by ``=``, what comes after it are its
    synonyms, up to a semicolon or the end of the line, which end a class anywhere:
    ``"cat, sofa=sofa,couch; dog"`` is three classes.

    Raises:
        UsageError: An empty name or synonym, or a second ``=`` before a semicolon.
    """
    classes: list[ClassSpec] = []
    for value in values:
        for part in (p for p in value.replace("\n", ";").split(";") if p.strip()):
            head, equals, synonyms = part.partition("=")
            names = head.split(",") if equals else _between_commas(part)
            if not all(name.strip() for name in names):
                raise UsageError(f"empty class name in {part.strip()!r}: give every class a name")
            if equals:
                names[-1] += equals + synonyms
            classes += [parse_class(name) for name in names]
    return tuple(classes)


def read_classes_file(path: Path) -> tuple[ClassSpec, ...]:
    """Classes of a text file: one a line, ``name`` or ``name=synonym,synonym``; ``#`` starts a comment line.

    Raises:
        InputError: The file is missing or not UTF-8.
        UsageError: An empty name or synonym.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read class names from {path}: {reason(error)}") from error
    lines = (line.strip() for line in text.splitlines())
    return tuple(parse_class(line) for line in lines if line and not line.startswith("#"))
