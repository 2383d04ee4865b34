"""The classes of a run: frozen, checked, hashable by content."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from ovseg.errors import UsageError
from ovseg.files import digest
from ovseg.vocabulary.class_spec import ClassSpec
from ovseg.vocabulary.parse import parse_classes

__all__ = ["ClassNames", "Vocabulary", "as_vocabulary"]


@dataclass(frozen=True, init=False)
class Vocabulary:
    """The classes of one run, in the order given, and what stands for everything else.

    Attributes:
        classes: At least one class, names distinct (ignoring case). The constructor also takes names, as
            ``-c`` does: ``"cat, dog"``, ``["cat", "sofa=sofa,couch"]`` (see ``parse_classes``).
        background: Words for what is none of the classes; used only where ``has_background``.
        has_background: Whether a pixel may be none of the classes; when False every pixel gets one of them.
        source: Where the vocabulary comes from: a shipped name, a path, or ``"names"`` that were given.

    Raises:
        UsageError: No class, two classes of one name, or one named ``background`` beside the background.
    """

    classes: tuple[ClassSpec, ...]
    background: tuple[str, ...] = ()
    has_background: bool = True
    source: str = "names"

    def __init__(
        self,
        classes: str | Iterable[str | ClassSpec],
        background: Iterable[str] = (),
        has_background: bool = True,
        source: str = "names",
    ) -> None:
        words = (background,) if isinstance(background, str) else tuple(background)
        object.__setattr__(self, "classes", tuple(_specs(classes)))
        object.__setattr__(self, "background", words)
        object.__setattr__(self, "has_background", has_background)
        object.__setattr__(self, "source", source)
        if not self.classes:
            raise UsageError('no classes given: name them, as in "cat, dog"')
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


ClassNames = Vocabulary | str | Iterable[str | ClassSpec]
"""Whatever names classes: a vocabulary, ``"cat, dog"``, or a list of names and classes."""


def as_vocabulary(classes: ClassNames, background: bool | None = None) -> Vocabulary:
    """Return the vocabulary that ``classes`` means.

    Args:
        classes: A vocabulary, or what :class:`Vocabulary` takes.
        background: Whether a pixel may be none of the classes; None: as the vocabulary says, and else True.

    Raises:
        UsageError: No class, two of one name, an empty name, or something else than names.
    """
    vocabulary = classes if isinstance(classes, Vocabulary) else Vocabulary(classes)
    return vocabulary if background is None else replace(vocabulary, has_background=background)


def _specs(classes: object) -> Iterable[ClassSpec]:
    """Read names by the grammar of ``parse_classes``; a class that is one already stays as it is."""
    if isinstance(classes, str | ClassSpec):
        classes = [classes]
    if not isinstance(classes, Iterable):
        raise UsageError(f'expected names of classes, got {type(classes).__name__}: write "cat, dog"')
    for entry in classes:
        if isinstance(entry, ClassSpec):
            yield entry
        elif isinstance(entry, str):
            yield from parse_classes([entry])
        else:
            raise UsageError(f'expected the name of a class, got {entry!r:.80}: write "cat, dog"')
