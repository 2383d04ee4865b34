"""What the commands share: messages and errors of one line."""

from __future__ import annotations

import os
import re
from functools import partial

import typer

from ovseg.errors import OvsegError


def one_line(text: object) -> str:
    """``text`` without line breaks or control characters, so that a message stays one line in any log."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def print_error(error: OvsegError | str) -> None:
    """Write ``error: …`` to standard error, in red on a terminal; advised parameters are shown as flags."""
    text = with_flags(error) if isinstance(error, OvsegError) else error
    echo(typer.style("error: ", fg="red", bold=True) + one_line(text), err=True)


def with_flags(error: OvsegError) -> str:
    """The line of an error with ``--overwrite`` where Python says ``overwrite=True``.

    ``name=False`` becomes ``--no-name``, ``name='value'`` becomes ``--name value``, ``name=`` ``--name``.
    """
    text = str(error)
    for parameter in error.parameters:
        name = parameter.replace("_", "-")
        pattern = rf"\b{re.escape(parameter)}=('[^']*'|\"[^\"]*\"|[\w.]*)"
        text = re.sub(pattern, partial(_flag, name), text)
    return text


def _flag(name: str, match: re.Match[str]) -> str:
    value = match[1].strip("'\"")
    if value in ("", "True"):
        return f"--{name}"
    return f"--no-{name}" if value == "False" else f"--{name} {value}"


def echo(text: str, *, err: bool = False) -> None:
    """Write a line that may hold colours; they are dropped off a terminal and where ``NO_COLOR`` is set."""
    # https://no-color.org: whatever its value, as long as it is not empty.
    typer.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)


def say(text: str, *, quiet: bool = False) -> None:
    """Write a note to standard error, unless quiet."""
    if not quiet:
        typer.echo(one_line(text), err=True)
