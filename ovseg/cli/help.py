"""``--help`` in panels: what belongs together under one title, as plain text that no width cuts."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import typer
from typer.core import TyperCommand, TyperGroup

from ovseg.cli.common import print_error
from ovseg.errors import OvsegError

__all__ = ["PANELS", "Application", "Command", "Group"]

if TYPE_CHECKING:
    from ovseg.registry import Kind

F = TypeVar("F", bound=Callable[..., Any])

PANELS = (
    "Arguments",
    "Classes",
    "Input",
    "Output",
    "Models",
    "Bank and pool",
    "Support images",
    "Image generation",
    "Prototypes",
    "Segmentation",
    "Discovery",
    "Search",
    "Evaluation",
    "Benchmark",
    "Run",
    "Configuration",
    "Diagnostics",
)
"""Titles under which the flags of a command stand, in this order."""

SETTINGS: dict[str, Any] = {
    "auto_envvar_prefix": "OVSEG",  # each flag can be given as OVSEG_<FLAG> too
    "help_option_names": ["-h", "--help"],
    "max_content_width": 120,
}
_LISTED = re.compile(r"\{(encoder|preset|format|dataset|source)(?: without ([\w-]+(?: [\w-]+)*))?\}")
_TYPE = re.compile(r" <(?:list\[)?(\w+)\]?>$")
_COLUMN = 30
"""Widest column of flags; help of a longer one begins on the next line."""


class _Panels:
    """Help with paragraphs kept whole and flags in panels, for commands and groups alike."""

    help: Any
    rest = "Diagnostics"
    """The title of flags without a panel, such as ``--help``."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the description; indented lines are examples and keep their indentation."""
        for paragraph in (self.help or "").strip().split("\n\n"):
            formatter.write("\n")
            indent = " " * (2 + len(paragraph) - len(paragraph.lstrip(" ")))
            hanging = indent + "    " * (len(indent) > 2)
            formatter.write(_wrapped(" ".join(paragraph.split()), formatter.width, indent, hanging))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write commands, arguments and flags, each under its title."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, command in self._commands(ctx):
            text = command.short_help or (command.help or "").strip().partition("\n\n")[0]
            panels.setdefault(command.rich_help_panel or "Commands", []).append((name, text))
        panels |= self.panels(ctx)
        names = [len(name) for rows in panels.values() for name, _ in rows]
        column = 4 + max((length for length in names if length <= _COLUMN), default=_COLUMN)
        for title, rows in panels.items():
            formatter.write(f"\n{title}:\n")
            for name, text in rows:
                formatter.write(_row(name, " ".join(text.split()), column, formatter.width))

    def panels(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """Name and help of arguments and flags, by their titles in the order of ``PANELS``."""
        found: dict[str, list[tuple[str, str]]] = {title: [] for title in PANELS}
        for parameter in self.get_params(ctx):  # type: ignore[attr-defined]
            record = parameter.get_help_record(ctx)
            if record is not None:
                argument = parameter.param_type_name == "argument"
                name = _TYPE.sub("" if argument else r" <\1>", record[0])
                title = "Arguments" if argument else parameter.rich_help_panel or self.rest
                found.setdefault(title, []).append((name, with_lists(record[1])))
        return {title: rows for title, rows in found.items() if rows}

    def _commands(self, ctx: Any) -> list[tuple[str, Any]]:
        return []


def with_lists(text: str) -> str:
    """Help in which ``{format}`` stands for the names of all output formats, those of plug-ins among them.

    Likewise for the other kinds of ``ovseg.registry``; ``{format without objects}`` leaves out by tags. Names
    are looked up when help is shown.
    """
    from ovseg.registry import registry_of

    def names(found: re.Match[str]) -> str:
        kind, tags = cast("tuple[Kind, str | None]", found.groups())
        return ", ".join(registry_of(kind).names(without=(tags or "").split()))

    return _LISTED.sub(names, text)


def _row(name: str, text: str, column: int, width: int) -> str:
    lead = f"  {name}"
    first = f"{lead:<{column}}" if len(lead) + 2 <= column else f"{lead}\n{'':<{column}}"
    return first + _wrapped(text, width, " " * column, " " * column).lstrip(" ")


def _wrapped(text: str, width: int, first: str, rest: str) -> str:
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) + "\n"


class Command(_Panels, TyperCommand):
    """A command with its flags in panels."""


class Group(_Panels, TyperGroup):
    """A group of commands that turns expected failures, and nothing else, into one line and an exit code."""

    rest = "Options"

    def _commands(self, ctx: Any) -> list[tuple[str, Any]]:
        return [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]

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


class Application(typer.Typer):
    """A Typer application whose commands read ``OVSEG_<FLAG>`` and show their help in panels."""

    def __init__(self, cls: type[Group] = Group, **settings: Any) -> None:
        super().__init__(
            cls=cls,
            no_args_is_help=True,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            context_settings={key: SETTINGS[key] for key in ("help_option_names", "max_content_width")},
            **settings,
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        """As of Typer, with the class and settings of every command of ovseg."""
        return super().command(name, cls=Command, context_settings=SETTINGS, **settings)
