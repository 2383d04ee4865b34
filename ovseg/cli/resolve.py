"""The settings of a command, from all the places where they can be given.

A flag wins over the environment (``OVSEG_<FLAG>``), that over the configuration file, that over the preset,
that over the default. ``--set`` counts as a flag; a flag of its own wins over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from ovseg.cli.config_merge import parse_assignment, read_toml
from ovseg.cli.flags import long_name, targets
from ovseg.cli.settings import DEFAULTS, Settings
from ovseg.overrides import overlay

__all__ = ["resolve"]


def resolve(
    ctx: typer.Context, flags: Any, *, config: str | None = None, assignments: Sequence[str] = ()
) -> Settings:
    """Gather the settings of a command from its file, environment and flags.

    Args:
        ctx: The command's context, which knows what was given where.
        flags: The flags that the command takes.
        config: Path of a configuration file.
        assignments: Values of ``--set``.

    Raises:
        ConfigError: An unknown key, or a value of the wrong type or out of range.
        InputError: The configuration file cannot be read.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if config is not None:
        layers.append((config, read_toml(Path(config))))
    layers += _given(ctx, flags, "ENVIRONMENT")
    layers += [("--set", parse_assignment(text)) for text in assignments]
    layers += _given(ctx, flags, "COMMANDLINE")
    settings = DEFAULTS
    for where, table in layers:
        settings = overlay(settings, table, where)
    return settings


def _given(ctx: typer.Context, flags: Any, source: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What one source gave, a layer for each flag."""
    for target in targets(flags):
        origin = ctx.get_parameter_source(target.name)
        if origin is None or origin.name != source:
            continue
        value, where = getattr(flags, target.name), long_name(flags, target.name)
        if source == "ENVIRONMENT":
            where = f"OVSEG_{where[2:].replace('-', '_').upper()}"
            if isinstance(value, (list, tuple)):
                value = [
                    " ".join(value)
                ]  # typer cuts lists of the environment at spaces, which names may hold
        yield where, target.table(value)
