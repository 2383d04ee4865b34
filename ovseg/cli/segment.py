"""``ovseg segment``: the main job."""

from __future__ import annotations

import typer

from ovseg.cli import options
from ovseg.cli.config_merge import to_toml
from ovseg.cli.flags import flag, flags, takes_flags
from ovseg.cli.launch import launch, set_up_process
from ovseg.cli.resolve import resolve
from ovseg.errors import UsageError


@flags("Configuration")
class SegmentFlags(
    options.ReportFlags,
    options.ConfigFlags,
    options.RunFlags,
    options.BatchFlag,
    options.ComputeFlags,
    options.SegmentationFlags,
    options.BankFlags,
    options.ModelFlags,
    options.FormatFlags,
    options.LimitFlag,
    options.FileFlags,
    options.BackgroundFlag,
    options.ClassFlags,
):
    """Flags of ``ovseg segment``."""

    print_config: bool = flag("Print all settings as TOML and stop.", default=False)


@takes_flags
def segment(ctx: typer.Context, inputs: options.Inputs = None, *, flags: SegmentFlags) -> None:
    """Segment images by class names into a folder of masks, overlays and a report.

    The run folder gets masks/NAME.png (0 background, 1… the classes in their order), overlays/, report.html,
    classes.json, images.jsonl (one line per image) and run.json. The same command resumes where it was
    stopped and skips what is done. Images that cannot be read are listed at the end (exit code 3).

    For example:

      ovseg segment photos/ -c "cat, dog, sofa" -o out

      ovseg segment photos/ -c "sofa=sofa,couch; lamp" --no-background -o out

      ovseg segment "photos/**/*.jpg" --vocabulary voc21 -f png,coco -o out

      find . -name "*.png" -print0 | ovseg segment - --classes-file c.txt -o out

    Every flag can be set as OVSEG_FLAG in the environment and in a file for --config. A flag wins over the
    environment, that over the file, that over the preset, that over the default.
    """
    settings = resolve(ctx, flags, config=flags.config, assignments=flags.assignments)
    if flags.print_config:
        typer.echo(to_toml(settings), nl=False)
        return
    if not inputs:
        raise UsageError("no images given: name files or folders, or - to read a list from standard input")
    if flags.output is None:
        raise UsageError("no output folder given: add -o FOLDER")
    set_up_process(verbose=flags.verbose, offline=flags.offline)
    summary = launch(
        inputs, settings, flags.output, dry_run=flags.dry_run, quiet=flags.quiet, as_json=flags.as_json
    )
    raise typer.Exit(summary.exit_code if summary else 0)
