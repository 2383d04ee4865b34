"""What the commands share: how flags are declared, and errors as one line with an exit code."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from ovseg.errors import OvsegError

if TYPE_CHECKING:
    from ovseg.registry import Kind

COMMAND_SETTINGS: dict[str, Any] = {"auto_envvar_prefix": "OVSEG", "help_option_names": ["-h", "--help"]}
"""Settings of every command: each flag can be given as ``OVSEG_<FLAG>`` too."""


def option(*flags: str, **settings: Any) -> Any:
    """``typer.Option`` with an ``OVSEG_<FLAG>``, named after the flag whatever the parameter is called.

    Help does not repeat it for every flag.
    """
    long = next((flag for flag in flags if flag.startswith("--")), None)
    if long is not None:
        name = long.partition("/")[0].removeprefix("--").replace("-", "_").upper()
        settings.setdefault("envvar", f"OVSEG_{name}")
    return typer.Option(*flags, show_envvar=False, **settings)


_LISTED = re.compile(r"\{(encoder|preset|format|dataset|source)(?: without ([\w-]+(?: [\w-]+)*))?\}")


def with_lists(text: str) -> str:
    """Help in which ``{format}`` stands for the names of all output formats, those of plug-ins among them.

    Likewise for the other kinds of ``ovseg.registry``; ``{format without objects}`` leaves out by tags.
    """
    from ovseg.registry import registry_of

    def names(found: re.Match[str]) -> str:
        kind, tags = cast("tuple[Kind, str | None]", found.groups())
        return ", ".join(registry_of(kind).names(without=(tags or "").split()))

    return _LISTED.sub(names, text)


class ListingCommand(TyperCommand):
    """A command in whose help names of plug-ins stand; they are looked up when the help is shown."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fill the lists in, then write the help."""
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if text:
                parameter.help = with_lists(text)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def texts(*flags: str, **settings: Any) -> Any:
    """An :func:`option` of texts that may hold spaces, at which the environment's lists are cut otherwise."""
    return option(*flags, callback=_uncut, **settings)


def _uncut(ctx: typer.Context, param: typer.CallbackParam, value: list[str]) -> list[str]:
    source = ctx.get_parameter_source(param.name) if param.name else None
    return [" ".join(value)] if value and source is not None and source.name == "ENVIRONMENT" else value


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


def say(text: str, *, quiet: bool = False) -> None:
    """Write a note to standard error, unless quiet."""
    if not quiet:
        typer.echo(one_line(text), err=True)
