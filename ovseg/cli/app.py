"""The Typer application: every command in one word."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Annotated

import typer

from ovseg.cli.common import COMMAND_SETTINGS, ErrorGroup, ListingCommand
from ovseg.version import __version__

COMMANDS = (
    "segment",
    "discover",
    "demo",
    "names",
    "explain",
    "convert",
    "bank",
    "pool",
    "evaluate",
    "support",
    "models",
    "plugins",
    "bench",
    "doctor",
)
"""In the order of ``--help``; each is a module here, with a function of that name or a Typer ``app``."""


@cache
def application(word: str = "") -> typer.Typer:
    """The application; where ``word`` names a command, with nothing but that one.

    Importing the modules of all commands, whose signatures Typer reads before it runs one, takes longer than
    most help.
    """
    app = typer.Typer(
        cls=ErrorGroup,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in _named(word):
        module = import_module(f"ovseg.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            # The settings make every flag readable from OVSEG_<FLAG>.
            app.command(name, cls=ListingCommand, context_settings=COMMAND_SETTINGS)(getattr(module, name))
    return app


def main() -> None:
    """Run the command line and leave with its exit code."""
    application(sys.argv[1] if len(sys.argv) > 1 else "")(prog_name="ovseg")


def _named(word: str) -> tuple[str, ...]:
    if word == "--version":
        return ()
    return (word,) if word in COMMANDS else COMMANDS


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Segment images by names that you type: open vocabulary, zero shot, no training and no labels.

    Exit codes: 0 all done · 1 nothing useful was done · 2 wrong usage · 3 done, but some images
    failed · 4 weights are not on this machine · 130 interrupted (run the same command again to go on).
    """
