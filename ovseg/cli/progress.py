"""Progress on standard error: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from ovseg.cli.common import one_line

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from ovseg.progress import Progress

EVERY = 5.0
"""Seconds between plain lines."""


@contextlib.contextmanager
def shown_progress(*, quiet: bool = False) -> Iterator[Progress]:
    """Yield what tells the user how far a run is, in the manner that fits standard error."""
    from ovseg.progress import Silent

    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("[red]{task.fields[failed]}"),
        )
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            yield _Terminal(bar)
    else:
        plain = Plain(sys.stderr)
        yield plain
        plain.close()


class Plain:
    """Lines such as ``40/231 images, 3.1 a second, 62 s left, 2 failed``, for logs.

    Args:
        stream: Where to.
        every: Seconds between lines.
    """

    def __init__(self, stream: TextIO, every: float = EVERY) -> None:
        self._stream = stream
        self._every = every
        self._total = self._done = self._before = self._failed = self._told = 0
        self._started = self._spoken = time.monotonic()

    def start(self, total: int, done: int) -> None:
        """Begin to count."""
        self._total, self._done, self._before = total, done, done
        self._told = done
        self._started = self._spoken = time.monotonic()
        if done:
            self._say(f"{done} of {total} images are done already")

    def advance(self, failure: str | None = None) -> None:
        """Count an image; speak when it failed, or when it is time to."""
        self._done += 1
        if failure is not None:
            self._failed += 1
            self._say(f"failed: {one_line(failure)}")
        if time.monotonic() - self._spoken >= self._every:
            self._report()

    def close(self) -> None:
        """Say how it ended, if anything was done."""
        if self._done > self._told:
            self._report()

    def _report(self) -> None:
        now = time.monotonic()
        rate = (self._done - self._before) / max(now - self._started, 1e-6)
        parts = [f"{self._done}/{self._total} images", f"{rate:.2g} a second"]
        if self._done < self._total:
            parts.append(f"{(self._total - self._done) / rate:.0f} s left")
        if self._failed:
            parts.append(f"{self._failed} failed")
        self._say(", ".join(parts))
        self._told = self._done
        self._spoken = now

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class _Terminal:
    """The same on a rich progress bar; failures scroll by above it."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, rate="", failed="")
        self._failed = self._new = 0
        self._started = time.monotonic()

    def start(self, total: int, done: int) -> None:
        self._started = time.monotonic()
        self._bar.reset(self._task, total=total, completed=done)

    def advance(self, failure: str | None = None) -> None:
        self._new += 1
        rate = self._new / max(time.monotonic() - self._started, 1e-6)
        if failure is not None:
            self._failed += 1
            self._bar.console.print(
                one_line(f"failed: {failure}"), style="red", markup=False, highlight=False
            )
        failed = f"{self._failed} failed" if self._failed else ""
        self._bar.update(self._task, advance=1, rate=f"{rate:.2g}/s", failed=failed)
