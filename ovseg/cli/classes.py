"""The vocabulary of a command from its class flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ovseg.cli.common import counted
from ovseg.cli.settings import DEFAULTS, Settings
from ovseg.errors import UsageError

if TYPE_CHECKING:
    from ovseg.vocabulary import Vocabulary

_NONE_GIVEN = 'no classes given: name them with -c "cat, dog", --classes-file or --vocabulary'


def chosen_vocabulary(settings: Settings) -> Vocabulary:
    """The classes that ``-c`` and ``--classes-file`` name, or those of ``--vocabulary``.

    Raises:
        UsageError: No classes, an empty or doubled name, or both ways at once.
        UnknownName: No such vocabulary.
        InputError: A file cannot be read.
    """
    from ovseg.vocabulary import Vocabulary, load_vocabulary, parse_classes, read_classes_file

    named = list(parse_classes(settings.classes))
    if settings.classes_file is not None:
        named += read_classes_file(Path(settings.classes_file))
    if settings.vocabulary is None:
        if not named:
            raise UsageError(_NONE_GIVEN)
        vocabulary = Vocabulary(tuple(named), has_background=settings.background is not False)
    elif named:
        raise UsageError("classes are given twice: name them with -c/--classes-file, or with --vocabulary")
    else:
        vocabulary = load_vocabulary(settings.vocabulary)
    if settings.background is None:
        return vocabulary
    return replace(vocabulary, has_background=settings.background)


def named_vocabulary(classes: Sequence[str], classes_file: str | None, vocabulary: str | None) -> Vocabulary:
    """The vocabulary of a command that takes no other settings; raises as ``chosen_vocabulary`` does."""
    return chosen_vocabulary(
        replace(DEFAULTS, classes=tuple(classes), classes_file=classes_file, vocabulary=vocabulary)
    )


def told_classes(vocabulary: Vocabulary) -> str:
    """The classes in a line for people, each with its other words: ``2 classes (cat, sofa = couch)``."""
    shown = [" = ".join(spec.words) for spec in vocabulary.classes[:8]]
    more = " …" if len(vocabulary) > len(shown) else ""
    return f"{counted(len(vocabulary), 'class', 'classes')} ({', '.join(shown)}{more})"
