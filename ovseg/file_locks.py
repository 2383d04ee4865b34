"""Locks on files: the system frees them when their process ends, however it ends, so that none is stale."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ovseg.errors import OutputError

__all__ = ["lock_file", "open_lock", "waiting_lock"]

_PAUSE = 0.2
"""Seconds between two looks at a lock that somebody else holds."""


if sys.platform == "win32":
    import msvcrt

    def lock_file(handle: int, *, shared: bool) -> None:
        """Lock an open file, or raise BlockingIOError where somebody else has it.

        Windows has no shared byte locks here; shards of one run then need one machine each.
        """
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
else:
    import fcntl

    def lock_file(handle: int, *, shared: bool) -> None:
        """Lock an open file, or raise BlockingIOError where somebody else has it."""
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def open_lock(path: Path) -> int:
    """The handle of a lock file, made if missing.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


@contextlib.contextmanager
def waiting_lock(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock file while the block runs, after everybody who came before; it is gone afterwards.

    Args:
        path: The lock file; its folder is made if missing.
        waiting: Called once if somebody else holds it.

    Raises:
        OutputError: The file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path.parent}: {error.strerror}") from error
    handle = _first(path, waiting)
    try:
        yield
    finally:
        # Removed while it is held: whoever waits for this very file sees that it is not the one of the path.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)


def _first(path: Path, waiting: Callable[[], None]) -> int:
    """The locked handle of the file that is at ``path``."""
    told = False
    while True:
        handle = open_lock(path)
        try:
            lock_file(handle, shared=False)
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BlockingIOError:
            if not told:
                waiting()
                told = True
            time.sleep(_PAUSE)
        except FileNotFoundError:
            pass
        os.close(handle)
