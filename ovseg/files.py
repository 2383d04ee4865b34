"""What many packages do with files: atomic writes, hashes, canonical JSON."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ovseg.errors import OutputError

__all__ = [
    "TEMPORARY_PREFIX",
    "atomic_path",
    "canonical_json",
    "digest",
    "file_sha256",
    "json_bytes",
    "recorded_writes",
    "write_bytes",
    "write_json",
    "write_text",
]

_recorder: ContextVar[list[Path] | None] = ContextVar("recorder", default=None)

# Asking for the umask means setting it, which is safe only while there is one thread: here.
_UMASK = os.umask(0)
os.umask(_UMASK)

TEMPORARY_PREFIX = ".ovseg-tmp-"
"""Start of the names under which files are written before they are whole."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends well.

    The parents are made. A reader sees the old file or the whole new one, never a part; when the
    block raises, nothing is left behind.

    Raises:
        OutputError: The folder cannot be written (no rights, no space, a file in the way).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix is kept, since writers such as Pillow choose the format by it.
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            # mkstemp makes private files; outputs are as readable as the user's umask says.
            temporary.chmod(0o666 & ~_UMASK)
            temporary.replace(path)
            recorder = _recorder.get()
            if recorder is not None:
                recorder.append(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        # A failure to read somebody's input inside the block is not ours to rename.
        if error.errno in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOSPC,
            errno.EDQUOT,
            errno.ENOTDIR,
            errno.EISDIR,
            errno.EEXIST,
            errno.ENAMETOOLONG,
        ):
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        raise


@contextlib.contextmanager
def recorded_writes() -> Iterator[list[Path]]:
    """Yield a list that collects the paths ``atomic_path`` fills inside the block, in the calling thread."""
    paths: list[Path] = []
    token = _recorder.set(paths)
    try:
        yield paths
    finally:
        _recorder.reset(token)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    write_bytes(path, text.encode("utf-8"))


def json_bytes(value: Any, *, indent: int | None = None) -> bytes:
    """JSON in UTF-8; file names that are no UTF-8 (lone surrogates) have ``u`` escapes."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    # What UTF-8 cannot hold are lone surrogates, and Python's escape for them is JSON's too.
    return text.encode("utf-8", "backslashreplace")


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Write ``value`` as JSON with a final newline, atomically."""
    write_bytes(path, json_bytes(value, indent=indent) + b"\n")


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 (hex) of a JSON-able value's canonical form."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "backslashreplace")).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
