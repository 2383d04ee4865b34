"""``ovseg convert``: masks of a run in other formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ovseg.cli import options
from ovseg.cli.common import one_line, option
from ovseg.cli.progress import shown_progress
from ovseg.errors import UsageError


def convert(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that ovseg segment wrote.")],
    to: Annotated[
        list[str],
        option(
            "--to",
            "-t",
            help="Formats, repeated or between commas: coco, panoptic, yolo, labelme, rrle, overlay, html.",
        ),
    ],
    output: Annotated[
        Path | None,
        option("--output", "-o", help="Where to write. Default: the folder converted in RUN."),
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Write the masks of a finished run in other formats, without segmenting anything again.

    The run needs its masks (format png), overlay and html also its photos, where they were. Masks hold no
    confidence: COCO annotations come without a score, the report without confidence.

    For example:

      ovseg convert out --to coco

      ovseg convert out --to yolo,labelme -o dataset
    """
    from ovseg.runs.convert import convert_run

    formats = list(dict.fromkeys(name.strip() for value in to for name in value.split(",") if name.strip()))
    if not formats:
        raise UsageError("no format given: name at least one, such as --to coco")
    with shown_progress(quiet=quiet) as progress:
        summary = convert_run(run, formats, output, progress)
    if as_json:
        typer.echo(json.dumps(summary.to_dict()))
    else:
        for path in summary.outputs.values() or (summary.out,):
            typer.echo(one_line(path))
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)
