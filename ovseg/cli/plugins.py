"""``ovseg plugins``: what other packages bring, with the settings that they declare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import typer

from ovseg.cli import options

__all__ = ["plugins", "setting_lines"]


def plugins(as_json: options.Json = False) -> None:
    """List the plug-ins of other packages: what each brings, and the settings of it.

    A package brings encoders, presets, output formats, data sets and support sources by an entry point in the
    group ovseg.plugins. Settings are given as --set KIND.NAME.KEY=VALUE.

    For example:

      ovseg plugins

      ovseg plugins --json
    """
    from ovseg.registry import installed_plugins, offers_of

    found = [(plugin, offers_of(plugin.name)) for plugin in installed_plugins()]
    if as_json:
        table = [
            {
                "plugin": plugin.name,
                "error": plugin.error,
                "brings": [
                    {
                        "kind": kind,
                        "name": offer.name,
                        "summary": offer.summary,
                        "settings": {name: value for name, value, _ in _settings(offer.settings)},
                    }
                    for kind, offers in brings.items()
                    for offer in offers
                ],
            }
            for plugin, brings in found
        ]
        typer.echo(json.dumps(table, indent=2))
        return
    if not found:
        typer.echo("no plug-ins are installed")
    for plugin, brings in found:
        typer.echo(plugin.name + (f": left out: {plugin.error}" if plugin.error else ""))
        for kind, offers in brings.items():
            for offer in offers:
                typer.echo(f"  {kind:<8} {offer.name:<20} {offer.summary}".rstrip())
                for line in setting_lines(kind, offer.name, offer.settings):
                    typer.echo(f"      {line}")


def setting_lines(kind: str, name: str, settings: type[Any] | None) -> Iterator[str]:
    """A line for each setting of an entry: ``format.shares.digits=6  Decimal places.``"""
    for key, value, text in _settings(settings):
        yield f"{kind}.{name}.{key}={value}" + (f"  {text}" if text else "")


def _settings(settings: type[Any] | None) -> Iterator[tuple[str, str, str]]:
    """Name, default as TOML and help of every setting."""
    from ovseg.overrides import toml_value

    if settings is not None:
        plain = settings()
        for field in fields(settings):
            yield field.name, toml_value(getattr(plain, field.name)), field.metadata.get("help", "")
