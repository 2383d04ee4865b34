"""Classes as users type them: ``"cat, dog"``, ``"sofa=sofa,couch,settee"``, a file with a name a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ovseg.errors import InputError, UsageError
from ovseg.vocabulary.model import ClassSpec


def parse_class(text: str) -> ClassSpec:
    """One class with optional synonyms: ``"sofa"`` or ``"sofa=sofa,couch,settee"``.

    Raises:
        UsageError: Nothing stands before or after the ``=``, or between two commas.
    """
    name, equals, rest = text.partition("=")
    name = " ".join(name.split())
    if not name:
        raise UsageError(f"empty class name in {text!r}: give every class a name")
    if not equals:
        return ClassSpec(name)
    words = [" ".join(word.split()) for word in rest.split(",")]
    if not all(words):
        raise UsageError(f"empty synonym in {text!r}: write name=word,word")
    return ClassSpec(name, synonyms=tuple(word for word in dict.fromkeys(words) if word != name))


def parse_classes(values: Sequence[str]) -> tuple[ClassSpec, ...]:
    """Classes of one or more ``-c`` values.

    A value without ``=`` is a list of names between commas; with ``=`` it is one class and its synonyms; a
    semicolon or a new line ends a class in either form, so ``"sofa=sofa,couch; cat, dog"`` is three classes.

    Raises:
        UsageError: An empty name or synonym.
    """
    classes: list[ClassSpec] = []
    for value in values:
        for part in (p for p in value.replace("\n", ";").split(";") if p.strip()):
            if "=" in part:
                classes.append(parse_class(part))
                continue
            names = part.split(",")
            if names and not names[-1].strip():  # a trailing comma is a habit, not a name
                names.pop()
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
        raise InputError(f"cannot read class names from {path}: {error}") from error
    lines = (line.strip() for line in text.splitlines())
    return tuple(parse_class(line) for line in lines if line and not line.startswith("#"))
