"""``images.jsonl``: a line an image, added as images are done, put in order at the end."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from ovseg.errors import OutputError
from ovseg.files import json_bytes, write_bytes

__all__ = ["Journal", "Line", "read_journal", "write_journal"]

Line = dict[str, Any]


def read_journal(path: Path) -> dict[str, Line]:
    """Lines of a journal by stem; the last one counts where an image has several.

    A line that is damaged, as a killed process leaves one, counts as not written.

    Raises:
        OutputError: The file is there but cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror}") from error
    lines: dict[str, Line] = {}
    for text in data.split(b"\n"):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if _is_line(line):
            lines[line["stem"]] = line
    return lines


def _is_line(value: Any) -> bool:
    """Whether a parsed line has what resuming relies on."""
    if not (isinstance(value, dict) and isinstance(value.get("stem"), str)):
        return False
    if value.get("status") == "ok":
        return isinstance(value.get("files"), dict) and {"bytes", "modified", "sha256"} <= value.keys()
    return value.get("status") == "failed"


def write_journal(path: Path, lines: Iterable[Line]) -> None:
    """Replace a journal by ``lines``, atomically."""
    write_bytes(path, b"".join(json_bytes(line) + b"\n" for line in lines))


class Journal:
    """A journal that is being written: each line reaches the file whole, at once, from any thread.

    Args:
        path: The file; its lines are kept.

    Raises:
        OutputError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        try:
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error

    def append(self, line: Line) -> None:
        """Add a line.

        Raises:
            OutputError: It cannot be written (no space).
        """
        data = memoryview(json_bytes(line) + b"\n")
        with self._mutex:
            try:
                while data:
                    data = data[os.write(self._handle, data) :]
            except OSError as error:
                raise OutputError(f"cannot write {self._path}: {error.strerror}") from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)
