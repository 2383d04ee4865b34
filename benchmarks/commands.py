"""The command line of the benchmarks."""

from __future__ import annotations

import typer

from benchmarks.clip_windows import clip
from benchmarks.generation import generation
from benchmarks.normalized_cut import cut
from benchmarks.vector_index import index
from ovseg.cli.common import ErrorGroup

app = typer.Typer(cls=ErrorGroup, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def _root() -> None:
    """Measure ovseg itself: its solver, its indexes, what stands around its networks."""


for _command in (cut, index, clip, generation):
    app.command()(_command)
