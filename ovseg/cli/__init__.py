"""The command line: parses, calls, prints. Heavy imports are inside the commands.

A command is a module of this package, with a function of its name or a Typer ``app``, that ``app.py`` lists
and imports when it is asked for. At its top a command module imports only what is quick to import (typer,
configuration values, errors); torch, scikit-image and the pipeline are imported inside the function, so that
``--help`` answers at once.

A flag is declared once, as a field of a dataclass (``flags.py``): its type, its help, its panel, and the
setting it sets, whose value in the configuration is its default. Groups that several commands take are in
``options.py``; a command's own class inherits from the groups that it has. ``resolve.py`` lays flags,
environment and configuration file over each other.

Standard output carries results and nothing else; progress, notes and errors go to standard error.
"""

from __future__ import annotations

from ovseg.cli.app import main

__all__ = ["main"]
