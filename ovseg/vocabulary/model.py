"""Vocabulary values: frozen, checked, hashable by content."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from ovseg.errors import ConfigError, UsageError
from ovseg.files import digest
from ovseg.vocabulary.appearance import parse_appearance

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


@dataclass(frozen=True)
class Vocabulary:
    """The classes of one run, in the order given, and what stands for everything else.

    Attributes:
        classes: At least one class, names distinct (ignoring case).
        background: Words for what is none of the classes; used only where ``has_background``.
        has_background: Whether a pixel may be none of the classes; when False every pixel gets one of them.
        source: Where the vocabulary comes from: a shipped name, a path, or ``"command line"``.

    Raises:
        UsageError: No class, two classes of one name, or one named ``background`` beside the background.
    """

    classes: tuple[ClassSpec, ...]
    background: tuple[str, ...] = ()
    has_background: bool = True
    source: str = "command line"

    def __post_init__(self) -> None:
        if not self.classes:
            raise UsageError('no classes given: name them with -c "cat, dog", --classes-file or --vocabulary')
        # Outputs name label 0 so; two labels of one name could not be told apart in them.
        if self.has_background and any(spec.name.casefold() == "background" for spec in self.classes):
            raise UsageError("a class is named background, which is label 0: leave it out, or rename it")
        seen: dict[str, str] = {}
        for spec in self.classes:
            key = spec.name.casefold()
            if key in seen:
                raise UsageError(f"class {spec.name!r} is given twice: name each class once")
            seen[key] = spec.name

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """``("background", first class, …)``: what label ``i`` of a label map means."""
        return ("background", *(spec.name for spec in self.classes))

    @property
    def hash(self) -> str:
        """SHA-256 over everything that can change a result (not the source)."""
        content = asdict(self)
        del content["source"]
        return digest(content)

    def without_background(self) -> Vocabulary:
        """The same classes with every pixel forced into one of them."""
        return replace(self, has_background=False)
