"""One class: its name, and what is said about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ovseg.errors import ConfigError, UsageError
from ovseg.vocabulary.appearance import parse_appearance

__all__ = ["ClassSpec", "Kind"]

Kind = Literal["thing", "stuff"]


@dataclass(frozen=True)
class ClassSpec:
    """One class that the user asks for.

    Attributes:
        name: What the class is called in outputs.
        synonyms: Other words for the same class; each is a text prompt of its own beside the name.
        attributes: What one sees of it: parts, looks, materials, typical company (AttrSeg, NeurIPS 2023).
        appearance: Attributes that pixels can be asked for directly, as ``aspect: words``: ``colour``,
            ``place``, ``texture`` (see ``ovseg.vocabulary.appearance``).
        negatives: Words that are mistaken for the class and count against it.
        kind: ``"thing"`` (countable object), ``"stuff"`` (amorphous region), or None: not known.

    Raises:
        UsageError: An empty name, or another kind.
        ConfigError: Looks in words that there are not.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    appearance: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    kind: Kind | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise UsageError("a class name is empty: give every class a name")
        if self.kind not in ("thing", "stuff", None):
            raise UsageError(f"class {self.name!r}: kind must be 'thing' or 'stuff', not {self.kind!r}")
        for entry in self.appearance:
            try:
                parse_appearance(entry)
            except ConfigError as error:
                raise ConfigError(f"class {self.name!r}: {error}") from error

    @property
    def words(self) -> tuple[str, ...]:
        """Name and synonyms, each once."""
        return tuple(dict.fromkeys((self.name, *self.synonyms)))
