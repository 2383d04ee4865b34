"""Licences of photos, as far as somebody has written them down."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from ovseg.errors import InputError, reason

__all__ = ["UNKNOWN_LICENCE", "licence_of", "read_licences"]

UNKNOWN_LICENCE = "unknown"
DEFAULT_FILE = "licences.csv"


def read_licences(path: Path) -> dict[str, str]:
    """Licence by name of a CSV with columns ``file`` or ``name`` (path or stem of a photo) and ``licence``.

    Raises:
        InputError: It is no such file.
    """
    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = set(rows.fieldnames or ())
            key = next((column for column in ("file", "name") if column in columns), None)
            if key is None or "licence" not in columns:
                raise InputError(f"cannot read licences from {path}: it needs the columns file and licence")
            for row in rows:
                if row[key] and row["licence"]:
                    found[row[key]] = row["licence"]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read licences from {path}: {reason(error)}") from error
    return found


def licence_of(folders: Sequence[Path], table: Path | None, default: str | None) -> Callable[[str], str]:
    """What tells the licence of a photo by its path below its folder.

    Args:
        folders: A ``licences.csv`` in one of them counts where no table is given.
        table: A CSV for ``read_licences``.
        default: Licence of photos that the table does not name.

    Raises:
        InputError: A table cannot be read.
    """
    found: dict[str, str] = {}
    tables = [table] if table else [f / DEFAULT_FILE for f in folders if (f / DEFAULT_FILE).is_file()]
    for path in tables:
        found |= read_licences(path)

    def licence(path: str) -> str:
        stem = path.rsplit(".", 1)[0]
        for key in (path, stem, path.rsplit("/", 1)[-1], stem.rsplit("/", 1)[-1]):
            if key in found:
                return found[key]
        return default or UNKNOWN_LICENCE

    return licence
