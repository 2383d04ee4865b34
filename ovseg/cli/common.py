"""What the commands share: errors as one line with an exit code."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from ovseg.errors import OvsegError

COMMAND_SETTINGS: dict[str, Any] = {"auto_envvar_prefix": "OVSEG", "help_option_names": ["-h", "--help"]}
"""Settings of every command: each flag can be given as ``OVSEG_<FLAG>`` too."""


def one_line(text: object) -> str:
    """``text`` without line breaks or control characters, so that a message stays one line in any log."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def print_error(error: OvsegError | str) -> None:
    """Write ``error: …`` to standard error, in red on a terminal that has colours."""
    # click drops the colour where standard error is no terminal, or NO_COLOR is set.
    typer.echo(typer.style("error: ", fg="red", bold=True) + one_line(error), err=True)


class ErrorGroup(TyperGroup):
    """A group that turns expected failures, and nothing else, into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            typer.Exit: With the ``exit_code`` of the ``OvsegError`` that the command raised.
        """
        try:
            return super().invoke(ctx)
        except OvsegError as error:
            print_error(error)
            raise typer.Exit(error.exit_code) from error
