"""One process at a time in a run folder, or several that share a run out."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ovseg.errors import OutputError

LOCK = ".lock"


@contextlib.contextmanager
def folder_lock(out: Path, shard: tuple[int, int] = (1, 1)) -> Iterator[None]:
    """Hold ``out`` while the block runs.

    A whole run excludes everybody; shards of one run exclude whole runs and the same shard. The operating
    system frees the lock when its process ends, however it ends, so there are no stale ones.

    Raises:
        OutputError: Another process holds the folder, or the lock file cannot be made.
    """
    sharded = shard[1] > 1
    with contextlib.ExitStack() as stack:
        stack.enter_context(_held(out / LOCK, shared=sharded))
        if sharded:
            stack.enter_context(_held(out / f"{LOCK}-{shard[0]}-of-{shard[1]}", shared=False))
        yield


@contextlib.contextmanager
def _held(path: Path, *, shared: bool) -> Iterator[None]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    try:
        try:
            _lock(handle, shared=shared)
        except BlockingIOError as error:
            raise OutputError(
                f"{path.parent} is in use by another run of ovseg: wait for it, or give another output folder"
            ) from error
        yield
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, *, shared: bool) -> None:
        # Windows has no shared byte locks here; shards of one run then need one machine each.
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
else:
    import fcntl

    def _lock(handle: int, *, shared: bool) -> None:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
