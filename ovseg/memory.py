"""Memory of this process: how much it holds, what malloc keeps of freed blocks, and caches with a limit.

Blocks of up to 32 MiB lie in the heap of the C library, and only its top can shrink by itself. Whatever small
thing stays behind among them (oneDNN's kernels for each size of image: ``cli.launch`` switches that cache
off, a program that imports ovseg may not) keeps holes that the next photos do not fit; what is in use stays
the same, what is resident creeps up by hundreds of megabytes. ``malloc_trim`` gives the holes back; to do so
after every photo would cost page faults, so it waits for a slack.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["SLACK", "Allocator", "BoundedCache", "peak_bytes", "resident_bytes"]

T = TypeVar("T")

SLACK = 96 << 20
"""Growth in bytes over what was resident after the last trim that calls for another."""


def resident_bytes() -> int | None:
    """Bytes of this process in memory now; None where the system does not say it in ``/proc``."""
    try:
        pages = Path("/proc/self/statm").read_bytes().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int | None:
    """Most bytes of this process that were in memory at once; None where no system call tells (Windows)."""
    try:
        # Not ru_maxrss, which on Linux starts at the peak of the process that started this one.
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        pass
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _malloc_trim() -> Callable[[int], int] | None:
    """The C library's ``malloc_trim``; None where it has none (macOS, Windows, musl)."""
    if not sys.platform.startswith("linux"):
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim


class Allocator:
    """Keeps what is resident near what is in use, whatever sizes of images pass through.

    Args:
        slack: Bytes by which the process may grow before freed memory is given back.
    """

    def __init__(self, slack: int = SLACK) -> None:
        self._slack = slack
        self._trim = _malloc_trim()
        self._low = resident_bytes()

    def trim(self) -> bool:
        """Give freed memory back if enough has gathered; to be called between images, from any thread.

        Returns:
            Whether it was time to; where the system offers no way, it never is.
        """
        now = resident_bytes()
        if now is None or self._low is None or self._trim is None:
            return False
        if now - self._low <= self._slack:
            self._low = min(self._low, now)
            return False
        self._trim(0)
        self._low = resident_bytes()
        return True


class BoundedCache(Generic[T]):
    """Values by key, of which the least recently used goes when there are too many; safe between threads.

    Args:
        size: Most values that are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return the value of a key, made now if it is not there; two threads may make it at once."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)
        return value
