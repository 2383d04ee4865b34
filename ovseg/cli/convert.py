"""``ovseg convert``: masks of a run in other formats."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ovseg.cli import options
from ovseg.cli.common import one_line, option
from ovseg.cli.config_merge import parse_assignment
from ovseg.cli.progress import shown_progress
from ovseg.errors import UsageError
from ovseg.overrides import overlay
from ovseg.plugin_settings import PluginSettings

_NONE: list[str] = []


@dataclass(frozen=True)
class FormatSettings:
    """Everything that can be set for a conversion.

    Attributes:
        format: Settings that output formats declare, by format.
    """

    format: PluginSettings = field(default_factory=partial(PluginSettings, "format"))


def convert(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that ovseg segment wrote.")],
    to: Annotated[
        list[str],
        option(
            "--to",
            "-t",
            help="Formats, repeated or between commas: {format without scores objects}.",
        ),
    ],
    output: Annotated[
        Path | None,
        option("--output", "-o", help="Where to write. Default: the folder converted in RUN."),
    ] = None,
    assignments: Annotated[list[str], options.setting("format.NAME.KEY=VALUE")] = _NONE,
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
    settings = FormatSettings()
    for text in assignments:
        settings = overlay(settings, parse_assignment(text), "--set")
    own = settings.format.chosen(tuple(formats))
    with shown_progress(quiet=quiet) as progress:
        summary = convert_run(run, formats, output, progress, own)
    if as_json:
        typer.echo(json.dumps(summary.to_dict()))
    else:
        for path in summary.outputs.values() or (summary.out,):
            typer.echo(one_line(path))
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)
