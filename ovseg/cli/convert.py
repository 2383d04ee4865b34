"""``ovseg convert``: masks of a run in other formats."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ovseg.cli import options
from ovseg.cli.common import one_line
from ovseg.cli.config_merge import parse_assignment
from ovseg.cli.flags import flag, flags, takes_flags
from ovseg.cli.progress import shown_progress
from ovseg.errors import UsageError
from ovseg.overrides import overlay
from ovseg.plugin_settings import PluginSettings


@dataclass(frozen=True)
class FormatSettings:
    """Everything that can be set for a conversion.

    Attributes:
        format: Settings that output formats declare, by format.
    """

    format: PluginSettings = field(default_factory=partial(PluginSettings, "format"))


@flags("Output")
class ConvertFlags(options.JsonFlag, options.QuietFlag):
    """Flags of ``ovseg convert``."""

    to: list[str] = flag(
        "Formats, repeated or between commas: {format without scores objects}.",
        "-t",
        metavar="NAMES",
        required=True,
    )
    output: Path | None = flag(
        "Folder to write. Default: the folder converted in RUN.", "-o", metavar="FOLDER"
    )
    assignments: list[str] = flag(
        options.SET.format("format.NAME.KEY=VALUE"),
        "--set",
        default=[],
        panel="Configuration",
        metavar="KEY=VALUE",
    )


@takes_flags
def convert(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that ovseg segment wrote.")],
    flags: ConvertFlags,
) -> None:
    """Convert the masks of a finished run to other formats, without segmenting again.

    The run needs its masks (format png); overlay and html also need its images at their paths. Masks hold no
    confidence: COCO annotations come without a score, the report without confidence.

    For example:

      ovseg convert out --to coco

      ovseg convert out --to yolo,labelme -o dataset
    """
    from ovseg.runs.convert import convert_run

    formats = list(dict.fromkeys(options.split_names(flags.to)))
    if not formats:
        raise UsageError("no format given: name at least one, such as --to coco")
    settings = FormatSettings()
    for text in flags.assignments:
        settings = overlay(settings, parse_assignment(text), "--set")
    own = settings.format.chosen(tuple(formats))
    with shown_progress(quiet=flags.quiet) as progress:
        summary = convert_run(run, formats, flags.output, progress, own)
    if flags.as_json:
        typer.echo(json.dumps(summary.to_dict()))
    else:
        for path in summary.outputs.values() or (summary.out,):
            typer.echo(one_line(path))
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)
