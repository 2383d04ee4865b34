"""Settings that plug-ins declare for their entries: laid over their defaults, and written behind a ``?``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import quote, unquote

from ovseg.errors import ConfigError, UnknownName
from ovseg.overrides import overlay, parse_value, toml_value
from ovseg.registry import Kind, registry_of

__all__ = ["PluginSettings", "canonical_query"]


@dataclass(frozen=True)
class PluginSettings:
    """Settings of the entries of one kind.

    Attributes:
        kind: Of entries.
        given: Instances of what entries declare, by entry, where any was set.
    """

    kind: Kind
    given: Mapping[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> Any:
        """Settings of one entry; None: it declares none.

        Raises:
            UnknownName: Nothing has that name.
        """
        registry = registry_of(self.kind)
        if name not in registry:
            registry.get(name)
        declared = registry.about(name).settings
        return None if declared is None else self.given.get(name) or declared()

    def all(self) -> dict[str, Any]:
        """Settings of every entry that declares any."""
        found = {name: self.of(name) for name in registry_of(self.kind).names()}
        return {name: settings for name, settings in found.items() if settings is not None}

    def chosen(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Those of ``names`` alone, likewise."""
        return {name: settings for name in names if (settings := self.of(name)) is not None}

    def overlaid(self, table: Mapping[str, Any], where: str, prefix: str) -> PluginSettings:
        """The same with the entries of ``table``, which holds a table for each name.

        Raises:
            ConfigError: A name that is not known or has no settings, or a value that does not fit.
        """
        given = dict(self.given)
        for name, values in table.items():
            try:
                settings = self.of(name)
            except UnknownName as error:
                raise ConfigError(f"{where}: {error}") from error
            if settings is None:
                raise ConfigError(f"{where}: {registry_of(self.kind).title} {name!r} has no settings")
            if not isinstance(values, Mapping):
                known = ", ".join(f"{prefix}{name}.{entry.name}" for entry in fields(settings))
                raise ConfigError(f"{where}: {prefix}{name} holds settings: set one of {known}")
            given[name] = overlay(settings, values, where, f"{prefix}{name}.")
        return replace(self, given=given)

    def overlaid_query(self, name: str, query: str) -> PluginSettings:
        """The same with the settings of one entry as they stand behind a ``?``; raises likewise."""
        if not query:
            return self
        pairs = (part.partition("=") for part in query.split("&"))
        table = {key: parse_value(unquote(value)) for key, _, value in pairs}
        return self.overlaid({name: table}, f"?{query}", f"{self.kind}.")

    def queries(self) -> tuple[tuple[str, str], ...]:
        """Name and settings of every entry of which any was set, as :func:`canonical_query` writes them."""
        return tuple((name, _query(settings)) for name, settings in self.given.items())


def canonical_query(kind: Kind, name: str, *queries: str) -> str:
    """Settings of an entry as they stand behind a ``?``: ``key=value&key=value``, defaults left out.

    Args:
        kind: Of the entry.
        name: The entry.
        queries: Such texts; what stands in a later one counts.

    Raises:
        ConfigError: The entry has no settings, or one is unknown or does not fit.
    """
    settings = PluginSettings(kind)
    for query in queries:
        settings = settings.overlaid_query(name, query)
    return _query(settings.of(name))


def _query(settings: Any) -> str:
    if settings is None:
        return ""
    pairs = ((entry.name, getattr(settings, entry.name)) for entry in fields(settings))
    plain = type(settings)()
    return "&".join(
        f"{key}={quote(toml_value(value), safe='')}" for key, value in pairs if value != getattr(plain, key)
    )
