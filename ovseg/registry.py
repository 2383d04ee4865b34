"""The one pattern for everything that can be plugged in: a table of names for each kind.

ovseg itself (``ovseg.builtin``) and other packages fill the tables in the same way: by a callable without
arguments that calls :func:`provide` for each thing it brings. That of another package is found by its entry
point in the group ``ovseg.plugins``, and run the first time that a list is shown or a name is unknown. What
is behind a name is imported when the name is asked for, so that a list imports nothing heavy.
"""

from __future__ import annotations

import difflib
import importlib
import logging
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from ovseg.errors import DependencyMissing, OvsegError, UnknownName

__all__ = [
    "ENTRY_POINT_GROUP",
    "Offer",
    "Plugin",
    "Registry",
    "installed_plugins",
    "load_plugins",
    "provide",
    "registry_of",
    "resolve",
]

T = TypeVar("T")

Kind = Literal["encoder", "preset", "format", "dataset", "source"]

ENTRY_POINT_GROUP = "ovseg.plugins"
OWN = "ovseg"
"""Origin of what ovseg itself brings."""

_TITLES: dict[Kind, str] = {
    "encoder": "encoder",
    "preset": "preset",
    "format": "output format",
    "dataset": "data set",
    "source": "support source",
}
_log = logging.getLogger("ovseg.plugins")


@dataclass(frozen=True)
class Offer:
    """What is known of an entry without importing it.

    Attributes:
        name: What users call it.
        target: ``module:attribute`` where it is; empty: it was registered as an object.
        summary: One line for lists.
        settings: Frozen dataclass of its own settings, every field with a default; None: it has none. The
            ``help`` in a field's metadata stands in lists. Users set them by ``--set KIND.NAME.FIELD=VALUE``.
        tags: Properties by which lists choose; ``docs/plugins.md`` has those of each kind.
        origin: Distribution and version that brings it; ``ovseg`` for what is built in.
    """

    name: str
    target: str = ""
    summary: str = ""
    settings: type[Any] | None = None
    tags: tuple[str, ...] = ()
    origin: str = OWN


@dataclass(frozen=True)
class Plugin:
    """An entry point of another package.

    Attributes:
        name: Distribution and version.
        target: What the entry point names.
        error: Why it, or a part of it, cannot be used; empty: it can.
    """

    name: str
    target: str
    error: str = ""


class Registry(Generic[T]):
    """A table of named entries of one kind.

    Args:
        title: What the entries are, in the singular; it stands in error messages ("output format").
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._entries: dict[str, T | Offer] = {}
        self._offers: dict[str, Offer] = {}

    def register(self, name: str, **about: Any) -> Callable[[T], T]:
        """Return a decorator that files its argument under ``name``.

        Args:
            name: What users call it.
            about: ``summary``, ``settings`` and ``tags`` of its :class:`Offer`.

        Raises:
            ValueError: The name is taken (two plug-ins clash: a bug, not a user's mistake).
        """

        def file(entry: T) -> T:
            self._file(Offer(name, origin=_origin, **about), entry)
            return entry

        return file

    def offer(self, name: str, target: str, **about: Any) -> None:
        """File what ``module:attribute`` names, imported when it is asked for; otherwise as ``register``."""
        offer = Offer(name, target, origin=_origin, **about)
        self._file(offer, offer)

    def get(self, name: str) -> T:
        """Look up an entry, and import it where that has not been done.

        Raises:
            UnknownName: Nothing has that name; the message lists the nearest ones.
            DependencyMissing: It belongs to a plug-in and cannot be imported.
        """
        if name not in self:
            raise UnknownName(f"unknown {self.title} {name!r}: {self._hint(name)}")
        entry = self._entries[name]
        if isinstance(entry, Offer):
            entry = self._entries[name] = self._imported(entry)
        return entry

    def about(self, name: str) -> Offer:
        """What is known of an entry; of a name that is not registered, nothing but the name."""
        return self._offers.get(name, Offer(name)) if name in self else Offer(name)

    def names(self, *, without: Collection[str] = (), plugins: bool = True) -> list[str]:
        """Names in order of registration, ovseg's own first.

        Args:
            without: Tags of entries to leave out.
            plugins: Whether those of other packages are wanted, which are then looked up.
        """
        if plugins:
            load_plugins()
        offers = (self.about(name) for name in list(self._entries))
        return [
            offer.name
            for offer in offers
            if not set(without).intersection(offer.tags) and (plugins or offer.origin == OWN)
        ]

    def __contains__(self, name: object) -> bool:
        if name not in self._entries:
            load_plugins()
        return name in self._entries

    def __iter__(self) -> Iterator[tuple[str, T]]:
        """Names and entries; plug-ins are looked up when ovseg's own are through, and skipped if broken."""
        seen: set[str] = set()
        for plugins in (False, True):
            if plugins:
                load_plugins()
            for name in [name for name in self._entries if name not in seen]:
                seen.add(name)
                try:
                    entry = self.get(name)
                except OvsegError as error:
                    if self.about(name).origin == OWN:
                        raise
                    _leave_out(self.about(name).origin, self.about(name).target, str(error))
                    continue
                yield name, entry

    def _file(self, offer: Offer, entry: T | Offer) -> None:
        if offer.name in self._entries:
            raise ValueError(f"{self.title} {offer.name!r} is registered twice")
        self._entries[offer.name], self._offers[offer.name] = entry, offer

    def _imported(self, offer: Offer) -> T:
        try:
            entry: T = resolve(offer.target)
        except OvsegError:
            raise
        except Exception as error:
            if offer.origin == OWN:
                raise
            raise DependencyMissing(
                f"{self.title} {offer.name!r} of {offer.origin} cannot be imported ({_line(error)}):"
                " install another version of it"
            ) from error
        return entry

    def _hint(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._entries, n=3, cutoff=0.5)
        return f"did you mean {', '.join(near)}?" if near else f"there is {', '.join(self.names())}"


_registries: dict[str, Registry[Any]] = {}
_origin = OWN
_loaded = False
_plugins: list[Plugin] = []
_lock = threading.RLock()


def registry_of(kind: Kind) -> Registry[Any]:
    """The one table of a kind, with what ovseg brings in it."""
    with _lock:
        if not _registries:
            _registries.update((known, Registry(title)) for known, title in _TITLES.items())
            _run("ovseg", "ovseg.builtin:register")
        return _registries[kind]


def provide(
    kind: Kind,
    name: str,
    target: str,
    *,
    summary: str = "",
    settings: type[Any] | None = None,
    tags: tuple[str, ...] = (),
) -> None:
    """Offer one thing to users; to be called from the callable that an entry point names.

    Args:
        kind: ``encoder``, ``preset``, ``format``, ``dataset`` or ``source``.
        name: What users call it; without dots where it has settings, for they part the names of settings.
        target: ``module:attribute`` where it is; imported when it is asked for.
        summary: One line for lists.
        settings: See :class:`Offer`.
        tags: See :class:`Offer`.

    Raises:
        ValueError: The name is taken, or holds a dot beside settings.
    """
    if settings is not None and "." in name:
        raise ValueError(f"{_TITLES[kind]} {name!r} has settings, so that its name must have no dot")
    registry_of(kind).offer(name, target, summary=summary, settings=settings, tags=tags)


def resolve(target: str) -> Any:
    """The object that ``module:attribute`` names."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def load_plugins() -> None:
    """Let the plug-ins of other packages register what they bring, once.

    One that fails is left out with a warning in the log ``ovseg.plugins``, and nothing else depends on it.
    """
    global _loaded
    with _lock:
        if _loaded:
            return
        _loaded = True
        # A tenth of the time of --help, and needed only where plug-ins are shown or asked for.
        from importlib.metadata import entry_points

        for point in entry_points(group=ENTRY_POINT_GROUP):
            owner = f"{point.dist.name} {point.dist.version}" if point.dist else point.name
            try:
                _run(owner, point.value)
            # Whatever a stranger's module raises; the other commands go on without it.
            except Exception as error:
                _leave_out(owner, point.value, _line(error))
            else:
                _plugins.append(Plugin(owner, point.value))


def installed_plugins() -> tuple[Plugin, ...]:
    """Plug-ins of other packages, those that failed among them."""
    load_plugins()
    return tuple(_plugins)


def offers_of(owner: str) -> dict[Kind, list[Offer]]:
    """What a plug-in has registered, by kind."""
    found: dict[Kind, list[Offer]] = {}
    for kind in _TITLES:
        registry = registry_of(kind)
        found[kind] = [o for o in map(registry.about, registry.names()) if o.origin == owner]
    return {kind: offers for kind, offers in found.items() if offers}


def _run(owner: str, target: str) -> None:
    """Call what registers the things of one distribution."""
    global _origin
    before, _origin = _origin, owner
    try:
        resolve(target)()
    finally:
        _origin = before


def _leave_out(owner: str, target: str, why: str) -> None:
    plugin = Plugin(owner, target, why)
    if plugin not in _plugins:
        _plugins.append(plugin)
        _log.warning("plug-in %s is left out: %s", owner, why)
        _log.debug("plug-in %s", owner, exc_info=True)


def _line(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
