"""Which images are meant: files, folders, patterns and lists, each with a name for its outputs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from ovseg.errors import InputError, UsageError
from ovseg.images.stems import unique_stems

__all__ = ["SUFFIXES", "ImageFile", "find_images"]

# fmt: off
SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".webp", ".avif", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
))
# fmt: on
"""Endings (lower case) by which an image is recognised in a folder; a file named by itself may have any."""


@dataclass(frozen=True)
class ImageFile:
    """One image that is meant.

    Attributes:
        path: The file, as far as its input led to it (relative where the input was relative).
        stem: Where its outputs go below each format's folder, without suffix; distinct within one call.
    """

    path: Path
    stem: PurePosixPath


def find_images(
    inputs: Sequence[str | Path],
    *,
    recursive: bool = True,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    skip: Path | None = None,
) -> list[ImageFile]:
    """Find the images that ``inputs`` mean.

    An input is a file (with any suffix), a folder, a pattern (``*``, ``?``, ``[…]``, ``**``), or ``-``: paths
    on standard input, one a line, or parted by NUL bytes as ``find -print0`` writes them. Hidden files and
    folders are not looked at. A folder whose name ends like an image's counts as an image (which then cannot
    be read) unless it is written with a slash at the end.

    The stem of an image is its path below the folder or below the fixed part of the pattern, or its name for
    a file, without the suffix. Where stems of different inputs are the same, the names of the inputs' folders
    come first (``a/x.jpg b/x.jpg`` gives ``a/x`` and ``b/x``); where files differ by suffix only, they keep
    it (``x.jpg`` and ``x.png``, so that masks are ``x.jpg.png`` and ``x.png.png``).

    Args:
        inputs: What the user named, in any order; the same file twice counts once.
        recursive: Whether folders are searched to the bottom.
        include: Patterns, of which a file must match at least one, by its name or its path below the input.
        exclude: The same for files and folders to leave out.
        skip: A folder that is never entered: the run folder, which may lie among the inputs.

    Returns:
        Images ordered by stem.

    Raises:
        UsageError: An input is not there, or nothing is found.
        InputError: A folder cannot be listed.
    """
    found: dict[Path, tuple[Path, Path, PurePosixPath]] = {}
    barred = _absolute(skip) if skip is not None else None
    for text in inputs:
        for base, path in _expand(os.fspath(text), recursive, exclude, barred):
            relative = PurePosixPath(path.relative_to(base).as_posix())
            if (not include or _matches(relative, include)) and not _matches(relative, exclude):
                found.setdefault(_absolute(path), (path, _absolute(base), relative))
    if not found and barred is not None and barred in map(_absolute, map(Path, inputs)):
        raise UsageError(f"no images found: {skip} is to be written and is not searched; give another folder")
    if not found:
        raise UsageError(
            f"no images found in {', '.join(map(str, inputs)) or 'nothing'}: name files or folders"
        )
    stems = unique_stems([(base, relative) for _, base, relative in found.values()])
    files = [ImageFile(path, stem) for (path, _, _), stem in zip(found.values(), stems, strict=True)]
    return sorted(files, key=lambda file: file.stem.parts)


def _expand(
    text: str, recursive: bool, exclude: Sequence[str], barred: Path | None
) -> Iterator[tuple[Path, Path]]:
    """(base, path) of every image that one input means."""
    path = Path(text)
    if text == "-":
        for line in _photo_filter(sys.stdin.buffer.read()):
            yield Path(line).parent, Path(line)
    elif os.path.lexists(path):
        if _is_folder(path, slash=text.endswith(("/", os.sep))):
            yield from ((path, child) for child in _walk(path, path, recursive, exclude, barred))
        else:
            yield path.parent, path
    elif any(_has_magic(part) for part in path.parts):
        base, pattern = _split_pattern(path)
        for match in sorted(base.glob(pattern)):
            if any(part.startswith(".") for part in match.relative_to(base).parts):
                continue
            if match.suffix.lower() in SUFFIXES:
                yield base, match
            elif match.is_dir() and "**" not in pattern:  # "**" lists what is in folders by itself
                yield from ((base, child) for child in _walk(match, base, recursive, exclude, barred))
    else:
        raise UsageError(f"no such file or folder: {text}")


def _photo_filter(data: bytes) -> list[str]:
    """Paths of a list: parted by NUL if there is one, by line ends otherwise; undecodable bytes survive."""
    lines = data.split(b"\0") if b"\0" in data else [line.rstrip(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(line) for line in lines if line]


def _is_folder(path: Path, *, slash: bool) -> bool:
    return path.is_dir() and (slash or path.suffix.lower() not in SUFFIXES)


def _has_magic(part: str) -> bool:
    return any(character in part for character in "*?[")


def _split_pattern(path: Path) -> tuple[Path, str]:
    """The leading folders of a pattern without wildcards, and the rest."""
    count = next(i for i, part in enumerate(path.parts) if _has_magic(part))
    return Path(*path.parts[:count]), str(PurePosixPath(*path.parts[count:]))


def _absolute(path: Path) -> Path:
    """Absolute and without ``..``; links stay as they are, since a link is an image of its own."""
    return Path(os.path.normpath(path.absolute()))


def _walk(
    folder: Path,
    base: Path,
    recursive: bool,
    exclude: Sequence[str],
    barred: Path | None,
    above: frozenset[tuple[int, int]] = frozenset(),
) -> Iterator[Path]:
    """Files below ``folder`` that look like images, links followed, loops cut."""
    if _absolute(folder) == barred:
        return
    try:
        status = folder.stat()
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        hint = f"leave it out with exclude={folder.name!r} or change its rights"
        raise InputError(
            f"cannot list folder {folder}: {error.strerror} ({hint})", parameters=["exclude"]
        ) from error
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith(".") or _matches(PurePosixPath(path.relative_to(base).as_posix()), exclude):
            continue
        if path.suffix.lower() in SUFFIXES:
            yield path
        elif recursive and entry.is_dir():
            yield from _walk(path, base, recursive, exclude, barred, above | {identity})


def _matches(relative: PurePosixPath, patterns: Iterable[str]) -> bool:
    """Whether the name, or the path below the input, fits one of the patterns."""
    return any(
        fnmatchcase(relative.name, pattern) or fnmatchcase(relative.as_posix(), pattern)
        for pattern in patterns
    )
