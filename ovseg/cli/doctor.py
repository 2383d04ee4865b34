"""``ovseg doctor``: what is there, what is missing, and how to mend it."""

from __future__ import annotations

import platform

import typer


def doctor() -> None:
    """Say what this installation has."""
    typer.echo(f"python {platform.python_version()}")
