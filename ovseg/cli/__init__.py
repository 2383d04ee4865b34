"""The command line: parses, calls, prints. Heavy imports wait inside the commands.

A command is a module of this package, with a function of its name or a Typer ``app``, that ``app.py`` lists
and imports when it is asked for. At its top a command module imports only what is quick to import (typer,
configuration values, errors); torch, scikit-image and the pipeline are imported inside the function, so that
``--help`` answers at once.

A flag is declared once: in ``options.py`` where several commands take it, and as a field of a dataclass that
commands take as a whole (``flags.py``) where they have many in common.

Standard output carries results and nothing else; progress, notes and errors go to standard error.
"""

from __future__ import annotations

from ovseg.cli.app import main

__all__ = ["main"]
