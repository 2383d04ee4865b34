"""What a data set is, once read: samples in a fixed order, and everything a result must say about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import DatasetError, reason
from ovseg.evaluation.datasets.catalog import DatasetCard
from ovseg.evaluation.datasets.truth import ValueTable, read_truth
from ovseg.files import digest
from ovseg.prompts import read_lines

__all__ = [
    "Dataset",
    "Sample",
    "Truth",
    "find_root",
    "mask_samples",
    "official_names",
    "read_split",
    "require_files",
    "require_unique",
]

Truth = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """One image and its truth.

    Attributes:
        name: Relative POSIX path without suffix, unique in the data set; predictions are found by it.
        image: The image file.
        read_truth: Reads the truth: (H, W) uint8, class indices or 255; raises ``DatasetError``.
    """

    name: str
    image: Path
    read_truth: Callable[[], Truth]


@dataclass(frozen=True)
class Dataset:
    """A data set that was found and looks whole.

    Attributes:
        card: What is known about it beforehand.
        root: Where it lies.
        layout: Which of its layouts was found, in words.
        classes: Class names in index order, background among them where it is a class.
        samples: Images in evaluation order.
        has_background: Whether index 0 means "none of the classes".
        remarks: What a reader of the results should know about the files.
        total: Images before any limit.
        settings: Settings of its own with which it was read, JSON-able; empty: it has none.
    """

    card: DatasetCard
    root: Path
    layout: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    has_background: bool
    remarks: tuple[str, ...] = ()
    total: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.samples:
            raise DatasetError(f"{self.card.name}: no images below {self.root}: expected {self.card.tree}")
        if len(self.foreground) > 254:
            raise DatasetError(
                f"{self.card.name}: {len(self.foreground)} classes: at most 254, for 255 means void"
            )
        require_unique((sample.name for sample in self.samples), f"{self.card.name} in {self.root}")
        if not self.total:
            object.__setattr__(self, "total", len(self.samples))

    def limited(self, limit: int | None) -> Dataset:
        """The first ``limit`` images, or the data set itself."""
        return self if limit is None else replace(self, samples=self.samples[:limit])

    @property
    def foreground(self) -> tuple[str, ...]:
        """Class names without background."""
        return self.classes[1:] if self.has_background else self.classes

    def notes(self) -> list[str]:
        """What must stand beside every figure: whose split it is, or that it is nobody's."""
        count, official = len(self.samples), self.card.official
        notes = list(self.remarks)
        if official and self.total in official and count == self.total:
            notes.insert(0, f"{count} images: {official[count]}")
        elif official:
            known = " or ".join(f"{number} ({whose})" for number, whose in official.items())
            notes.insert(0, f"not the official split: {self.total} images instead of {known}")
        if count != self.total:
            notes.append(f"only the first {count} of {self.total} images")
        return notes

    def metadata(self) -> dict[str, Any]:
        """What identifies the data set, as JSON; where it lies on this machine is not part of it."""
        return {
            "name": self.card.name,
            "layout": self.layout,
            "images": len(self.samples),
            "background": self.has_background,
            "classes": list(self.classes),
            "names_sha256": digest([sample.name for sample in self.samples]),
            "notes": self.notes(),
        } | ({"settings": dict(self.settings)} if self.settings else {})


def mask_samples(
    names: Iterable[str], images: Iterable[Path], masks: Iterable[Path], table: ValueTable
) -> tuple[Sample, ...]:
    """Samples whose truth is an index image each, read when it is needed.

    Args:
        names: Of the samples, in evaluation order.
        images: The photo of each.
        masks: The index image of each.
        table: What the values of the index images mean.
    """
    return tuple(
        Sample(name, image, partial(read_truth, mask, table))
        for name, image, mask in zip(names, images, masks, strict=True)
    )


def official_names(card: DatasetCard) -> tuple[str, ...]:
    """Official class names of a data set in index order, without background where it is ignored."""
    names = tuple(read_lines("datasets", f"{card.names}.txt"))
    return names if card.has_background or names[0] != "background" else names[1:]


def find_root(card: DatasetCard, root: Path, inside: Sequence[str], marker: str) -> Path:
    """The folder below ``root`` that holds ``marker``: ``root`` itself or one of ``inside``.

    Raises:
        DatasetError: None does; the line names the paths looked for and the tree that is expected.
    """
    candidates = [root, *(root / part for part in inside)]
    for folder in candidates:
        if (folder / marker).exists():
            return folder
    looked = ", ".join(str(folder / marker) for folder in candidates)
    raise DatasetError(f"{card.name}: not found: looked for {looked}; the tree must hold {card.tree}")


def read_split(path: Path) -> list[str]:
    """Names of a split file, one a line.

    Raises:
        DatasetError: The file is missing, has an empty line among the names, names an image twice, or names
            one outside the data set.
    """
    try:
        lines = path.read_text(encoding="utf-8").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read the list of images {path}: {reason(error)}") from error
    names = [line.strip() for line in lines]
    for number, name in enumerate(names, start=1):
        if not name:
            raise DatasetError(f"{path}: line {number} is empty: every line must name an image")
        if name.startswith("/") or ".." in name.split("/"):
            raise DatasetError(f"{path}: line {number} leads out of the data set: {name!r}")
    if not names:
        raise DatasetError(f"{path} names no images")
    require_unique(names, str(path))
    return names


def require_unique(names: Iterable[str], where: str) -> None:
    """Refuse a name that occurs twice."""
    name, count = next(iter(Counter(names).most_common(1)), ("", 0))
    if count > 1:
        raise DatasetError(f"{where}: {name!r} occurs {count} times: every image must occur once")


def require_files(card: DatasetCard, paths: Iterable[Path]) -> None:
    """Refuse a half-unpacked data set: name the first file that is missing, and how many are."""
    total, missing = 0, []
    for path in paths:
        total += 1
        if not path.is_file():
            missing.append(path)
    if missing:
        raise DatasetError(
            f"{card.name}: {len(missing)} of {total} files are missing, the first is {missing[0]};"
            f" the tree must hold {card.tree}"
        )
