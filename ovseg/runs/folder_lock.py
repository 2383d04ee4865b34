"""One process at a time in a run folder, or several that share a run out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ovseg.errors import OutputError
from ovseg.file_locks import lock_file, open_lock

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
    handle = open_lock(path)
    try:
        try:
            lock_file(handle, shared=shared)
        except BlockingIOError as error:
            raise OutputError(
                f"{path.parent} is in use by another run of ovseg: wait for it, or give another output folder"
            ) from error
        yield
    finally:
        os.close(handle)
