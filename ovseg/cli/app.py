"""The Typer application: every command in one line."""

from __future__ import annotations

import copy
import sys
from typing import Annotated

import typer

from ovseg.cli import (
    bank,
    bench,
    convert,
    demo,
    discover,
    doctor,
    evaluate,
    explain,
    models,
    pool,
    segment,
    support,
)
from ovseg.cli.common import COMMAND_SETTINGS, ErrorGroup
from ovseg.cli.names import names
from ovseg.version import __version__

app = typer.Typer(
    cls=ErrorGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# One line a command, in the order of --help. `COMMAND_SETTINGS` makes every flag readable from OVSEG_<FLAG>.
app.command("segment", context_settings=COMMAND_SETTINGS)(segment.segment)
app.command("discover", context_settings=COMMAND_SETTINGS)(discover.discover)
app.command("demo", context_settings=COMMAND_SETTINGS)(demo.demo)
app.command("names", context_settings=COMMAND_SETTINGS)(names)
app.command("explain", context_settings=COMMAND_SETTINGS)(explain.explain)
app.command("convert", context_settings=COMMAND_SETTINGS)(convert.convert)
app.add_typer(bank.app, name="bank")
app.add_typer(pool.app, name="pool")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(support.app, name="support")
app.add_typer(models.app, name="models")
app.add_typer(bench.app, name="bench")
app.command("doctor", context_settings=COMMAND_SETTINGS)(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Segment images by names that you type: open vocabulary, zero shot, no training and no labels.

    Exit codes: 0 all done · 1 nothing useful was done · 2 wrong usage · 3 done, but some images
    failed · 4 weights are not on this machine · 130 interrupted (run the same command again to go on).
    """


def main() -> None:
    """Run the command line and leave with its exit code."""
    _only(sys.argv[1] if len(sys.argv) > 1 else "")(prog_name="ovseg")


def _only(word: str) -> typer.Typer:
    """The application with nothing but the command of that name, where there is one.

    Typer reads the signatures of all commands before it runs one; those of forty take longer than most help.
    """
    commands = [command for command in app.registered_commands if command.name == word]
    groups = [group for group in app.registered_groups if group.name == word]
    if not commands and not groups and word != "--version":
        return app
    narrowed = copy.copy(app)
    narrowed.registered_commands, narrowed.registered_groups = commands, groups
    return narrowed
