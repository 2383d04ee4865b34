"""Lists of support images that may be used, or may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from ovseg.errors import InputError, UsageError, reason
from ovseg.support.base import Origin

__all__ = ["PhotoFilter", "read_list"]


@dataclass(frozen=True)
class PhotoFilter:
    """Which support images may be used: patterns of names, or starts of SHA-256 hashes (8 digits and more).

    Attributes:
        allow: If any, an image must match one of them.
        deny: An image must match none of them.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def accepts(self, origin: Origin) -> bool:
        """Whether the image from there may be used."""
        return self.refusal(origin.name, origin.sha256) is None

    def refusal(self, name: str, sha256: str) -> Literal["denied", "not allowed"] | None:
        """Why an image is not used; None: it is."""
        if _on(name, sha256, self.deny):
            return "denied"
        return "not allowed" if self.allow and not _on(name, sha256, self.allow) else None


def _on(name: str, sha256: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, p) or (len(p) >= 8 and sha256.startswith(p.lower())) for p in patterns)


def read_list(path: Path | None) -> tuple[str, ...]:
    """Lines of a list; ``#`` starts a comment line. No file is an empty list.

    Raises:
        InputError: The file cannot be read.
        UsageError: There is nothing in it.
    """
    if path is None:
        return ()
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read list {path}: {reason(error)}") from error
    found = tuple(line for line in lines if line and not line.startswith("#"))
    if not found:
        raise UsageError(f"the list {path} is empty")
    return found
