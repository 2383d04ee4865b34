"""Intermediate results on disk, so that work which was stopped goes on where it was.

A store is a folder of one *plan*: whatever can change the results, as JSON. Each result is a file
of its own, named by the digest of its key and written atomically, so a kill costs at most the result that was
being made. What another plan left behind is removed; a damaged file counts as missing and is made again.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from ovseg.errors import BankMismatch, OutputError
from ovseg.files import TEMPORARY_PREFIX, digest, write_json

__all__ = ["WorkStore"]

T = TypeVar("T")

_PLAN = "plan.json"
_FORMAT, _VERSION = "ovseg work", 1
_SUFFIX = ".safetensors"


class WorkStore(Generic[T]):
    """A folder of results, each kept under its key.

    Args:
        folder: Made if missing. Nothing else belongs into it.
        plan: Whatever can change a result, JSON-able: settings, fingerprints of encoders.
        load: Reads a result from a checksummed file; raises ``BankMismatch`` for a damaged one.
        save: Writes a result to a path, atomically.
        max_bytes: Results beyond this total are not kept; None keeps all.

    Raises:
        OutputError: The folder holds something else, or cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        plan: object,
        *,
        load: Callable[[Path], T],
        save: Callable[[T, Path], None],
        max_bytes: int | None = None,
    ) -> None:
        self.folder = folder
        self.digest = digest(plan)
        self._load, self._save, self._max_bytes = load, save, max_bytes
        if folder.is_dir() and _recorded_digest(folder) != self.digest:
            self._clear()
        write_json(
            folder / _PLAN, {"format": _FORMAT, "version": _VERSION, "digest": self.digest, "plan": plan}
        )
        for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
            leftover.unlink(missing_ok=True)
        self._bytes = sum(path.stat().st_size for path in self._paths())

    def get(self, key: object) -> T | None:
        """Return the result that was kept under ``key`` (JSON-able), or None if it is missing or damaged."""
        return self._read(self._path(key))

    def put(self, key: object, value: T) -> bool:
        """Keep a result; return whether there was room for it.

        Raises:
            OutputError: The folder cannot be written.
        """
        path = self._path(key)
        if self._max_bytes is not None and self._bytes >= self._max_bytes:
            return False
        before = path.stat().st_size if path.is_file() else 0
        self._save(value, path)
        self._bytes += path.stat().st_size - before
        return True

    def values(self) -> Iterator[T]:
        """Yield all undamaged results, in the order of their file names."""
        for path in self._paths():
            value = self._read(path)
            if value is not None:
                yield value

    def __len__(self) -> int:
        return len(self._paths())

    def remove(self) -> None:
        """Remove the folder with all results."""
        shutil.rmtree(self.folder)

    def _clear(self) -> None:
        """Remove what another plan left; a lock that the caller holds in the folder stays."""
        own = (self.folder / _PLAN).is_file()
        if not own and any(not path.name.startswith(".") for path in self.folder.iterdir()):
            raise OutputError(f"{self.folder} is in the way: ovseg keeps intermediate results there")
        shutil.rmtree(self.folder)

    def _read(self, path: Path) -> T | None:
        if not path.is_file():
            return None
        with contextlib.suppress(BankMismatch):
            return self._load(path)
        return None

    def _path(self, key: object) -> Path:
        return self.folder / f"{digest(key)}{_SUFFIX}"

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob(f"[0-9a-f]*{_SUFFIX}"))


def _recorded_digest(folder: Path) -> str | None:
    """Return the digest of the plan that a folder belongs to; None if it has none that can be read."""
    try:
        recorded: Any = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
        if (recorded["format"], recorded["version"]) == (_FORMAT, _VERSION):
            return str(recorded["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None
