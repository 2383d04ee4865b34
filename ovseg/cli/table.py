"""Tables of measurements on standard output, and their progress on standard error."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import typer

from ovseg.cli.common import say

__all__ = ["print_table", "ticker"]


def ticker(*, quiet: bool) -> Callable[[], None]:
    """Return a function that counts its calls and says so at every tenth."""
    numbers = count(1)

    def tick() -> None:
        number = next(numbers)
        if number % 10 == 0:
            say(f"{number} images", quiet=quiet)

    return tick


def print_table(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print a Markdown table of all keys that occur, or JSON."""
    if as_json:
        typer.echo(json.dumps(rows))
        return
    keys = list(dict.fromkeys(key for row in rows for key in row))
    typer.echo("| " + " | ".join(keys) + " |")
    typer.echo("|" + " --- |" * len(keys))
    for row in rows:
        typer.echo("| " + " | ".join(_short(row.get(key)) for key in keys) + " |")


def _short(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
