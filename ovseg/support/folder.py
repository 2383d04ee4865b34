"""Source ``folder``: photos sorted by class, with masks, boxes, points or scribbles beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ovseg.errors import InputError, UsageError, reason
from ovseg.files import digest, file_sha256
from ovseg.images import SUFFIXES, load_image
from ovseg.support.annotations import MASK, MASKS, annotations_path, mask_paths, read_annotation
from ovseg.support.base import Origin, SupportImage
from ovseg.vocabulary import ClassSpec

__all__ = ["LICENCE", "FolderSource", "class_folders"]

LICENCE = "licence.txt"
"""File whose first line is the licence of the photos beside it; that of the class's folder goes first."""


def class_folders(root: Path) -> list[Path]:
    """The folders of classes below ``root``, by name.

    Raises:
        InputError: There is no such folder.
        UsageError: It holds no folders.
    """
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"cannot list folder {root}: {error.strerror}") from error
    if not folders:
        raise UsageError(f"{root} holds no folders: put the photos of each class in a folder of its name")
    return folders


class FolderSource:
    """``SUPPORT/<class>/*.jpg``, as far as the user has them with ``*.mask.png``, ``masks/*.png`` or
    ``*.marks.json`` beside them.

    Args:
        root: SUPPORT.
        classes: What will be asked for; a folder is found by a class's name or a synonym, ignoring case, with
            ``_`` and ``-`` for spaces.

    Raises:
        InputError: There is no such folder.
        UsageError: A folder matches no class, or two folders one class.
    """

    name = "folder"

    def __init__(self, root: Path, classes: Sequence[ClassSpec]) -> None:
        self.root = root
        by_word = {_plain(word): spec.name for spec in reversed(classes) for word in spec.words}
        self._folders: dict[str, Path] = {}
        for folder in class_folders(root):
            owner = by_word.get(_plain(folder.name))
            if owner is None:
                raise UsageError(
                    f"folder {folder} matches no class: rename it to one of"
                    f" {', '.join(spec.name for spec in classes[:20])}, or add the class"
                )
            if owner in self._folders:
                raise UsageError(f"{self._folders[owner]} and {folder} both match {owner}: join them")
            self._folders[owner] = folder

    def images(self, spec: ClassSpec, shots: int) -> Iterator[SupportImage]:
        """The first ``shots`` photos of the class's folder, by name; none where there is no folder.

        Raises:
            InputError: A photo, mask or marks file cannot be read.
        """
        for photo in self._photos(spec.name)[:shots]:
            yield self._image(photo)

    def describe(self) -> dict[str, Any]:
        """The source and a digest over every file in it."""
        return {"source": self.name, "photos": len(self._hashes), "sha256": digest(self._hashes)}

    @cached_property
    def _hashes(self) -> dict[str, list[str]]:
        """SHA-256 of each photo, with those of its mask and marks."""
        found = {}
        for owner in sorted(self._folders):
            for photo in self._photos(owner):
                files = [photo, *(p for p in (*mask_paths(photo), annotations_path(photo)) if p.is_file())]
                found[self._relative(photo)] = [owner, _licence(photo), *map(file_sha256, files)]
        return found

    def _photos(self, owner: str) -> list[Path]:
        folder = self._folders.get(owner)
        if folder is None:
            return []
        return sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and not path.name.endswith(MASK)
            and not any(part == MASKS or part.startswith(".") for part in path.relative_to(folder).parts)
            and path.is_file()
        )

    def _image(self, photo: Path) -> SupportImage:
        loaded = load_image(photo)
        height, width = loaded.pixels.shape[:2]
        if (height, width) != loaded.size:
            raise InputError(f"{photo} has more pixels than ovseg works with: scale it and its marks down")
        mark = read_annotation(photo, (height, width))
        details = {"mark": "none"} if mark is None else {"mark": "given"}
        origin = Origin(self.name, self._relative(photo), file_sha256(photo), _licence(photo), details)
        return SupportImage(loaded.pixels, origin, mark=mark)

    def _relative(self, photo: Path) -> str:
        return photo.relative_to(self.root).as_posix()


def _plain(word: str) -> str:
    return " ".join(word.casefold().replace("_", " ").replace("-", " ").split())


def _licence(photo: Path) -> str:
    for folder in (photo.parent, photo.parent.parent):
        path = folder / LICENCE
        if path.is_file():
            try:
                lines = path.read_text(encoding="utf-8").strip().splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"cannot read {path}: {reason(error)}") from error
            return lines[0].strip() if lines else "unknown"
    return "unknown"


def open_folder(*, support: Path, classes: Sequence[ClassSpec]) -> FolderSource:
    """The source as ``open_source`` opens it; raises as :class:`FolderSource` does."""
    return FolderSource(support, classes)
