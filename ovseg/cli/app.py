"""The Typer application: every command, imported when it is asked for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer

from ovseg.cli.help import Application, Group
from ovseg.version import __version__

COMMANDS = {
    "Segment": {
        "segment": "Segment images by class names.",
        "discover": "Find objects without class names.",
        "demo": "Segment eight example photographs.",
        "convert": "Convert the masks of a run to other formats.",
        "names": "Show how the image-text encoder embeds class names.",
        "explain": "Show which support regions decided a result.",
    },
    "Support and banks": {
        "bank": "Build, inspect, merge and change banks of prototypes.",
        "pool": "Embed unlabelled photos and search them.",
        "support": "Generate support images.",
    },
    "Evaluate": {
        "evaluate": "Evaluate masks, objects and retrieval on data sets.",
        "bench": "Measure the parts of ovseg.",
    },
    "Models and machine": {
        "models": "List, describe and download presets and weights.",
        "plugins": "List the plug-ins of other packages.",
        "doctor": "Check this installation.",
    },
}
"""By their titles in ``--help``; each is a module here, with a function of that name or an ``app``."""


class _Root(Group):
    """The commands in the order of ``COMMANDS``."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for names in COMMANDS.values() for name in names if name in self.commands]


@cache
def application(word: str = "") -> typer.Typer:
    """The application; where ``word`` names a command, with nothing but that one.

    Importing the modules of all commands, whose signatures Typer reads before it runs one, takes longer than
    most help.
    """
    app = Application(_Root)
    app.callback()(_root)
    for title, names in COMMANDS.items():
        for name in _wanted(names, word):
            module = import_module(f"ovseg.cli.{name}")
            line: dict[str, Any] = {"name": name, "short_help": names[name], "rich_help_panel": title}
            if hasattr(module, "app"):
                app.add_typer(module.app, **line)
            else:
                app.command(**line)(getattr(module, name))
    return app


def main() -> None:
    """Run the command line and leave with its exit code."""
    # A library is silent by its null handler; a command shows warnings before logging is set up, too.
    log = logging.getLogger("ovseg")
    for handler in list(log.handlers):
        log.removeHandler(handler)
    application(sys.argv[1] if len(sys.argv) > 1 else "")(prog_name="ovseg")


def _wanted(names: Iterable[str], word: str) -> list[str]:
    """The commands to import: the one that is named, or all where it is none of them."""
    if word == "--version":
        return []
    known = any(word in others for others in COMMANDS.values())
    return [name for name in names if name == word or not known]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Open-vocabulary segmentation: segment images by class names that you type, without training or labels.

    Exit codes: 0 all done · 1 nothing useful was done · 2 wrong usage · 3 done, but some images failed · 4
    weights are not on this machine · 130 interrupted (run the same command again to resume).
    """
