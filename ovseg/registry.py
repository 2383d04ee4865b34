"""The one pattern for everything that can be plugged in: a table, a decorator, a near-name hint."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ovseg.errors import UnknownName

T = TypeVar("T")

ENTRY_POINT_GROUP = "ovseg.plugins"


class Registry(Generic[T]):
    """A named table of plug-ins of one kind.

    Third parties add to it through the entry-point group ``ovseg.plugins``: each entry point is a
    callable without arguments that registers what it brings.

    Args:
        kind: What the entries are, in the singular; it stands in error messages ("output format").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files its argument under ``name``.

        Raises:
            ValueError: The name is taken (two plug-ins clash: a bug, not a user's mistake).
        """

        def file(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return file

    def get(self, name: str) -> T:
        """Look up an entry.

        Raises:
            UnknownName: Nothing has that name; the message lists the nearest ones.
        """
        if name not in self._entries:
            load_plugins()
        if name not in self._entries:
            near = difflib.get_close_matches(name, self._entries, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"there is {', '.join(self.names())}"
            raise UnknownName(f"unknown {self.kind} {name!r}: {hint}")
        return self._entries[name]

    def names(self) -> list[str]:
        """Names in order of registration."""
        return list(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return iter(self._entries.items())


_loaded = False


def load_plugins() -> None:
    """Run the entry points of third parties, once."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    # A tenth of the time of --help, and needed only for a name that is not built in.
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINT_GROUP):
        point.load()()
