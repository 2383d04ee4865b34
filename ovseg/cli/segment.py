"""``ovseg segment``: the main job."""

from __future__ import annotations

from typing import Annotated

import typer

from ovseg.cli import options
from ovseg.cli.config_merge import to_toml
from ovseg.cli.launch import launch, set_up_process
from ovseg.cli.settings import DEFAULTS, resolve
from ovseg.errors import UsageError

_FORMATS = list(DEFAULTS.run.formats)
_NONE: list[str] = []
_SHARD = "/".join(map(str, DEFAULTS.run.shard))


def segment(
    ctx: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, quoted patterns, or - for a list on standard input.",
            metavar="INPUTS",
            show_default=False,
        ),
    ] = None,
    output: options.Output = None,
    format: options.Format = _FORMATS,
    overwrite: options.Overwrite = DEFAULTS.run.overwrite,
    classes: options.Classes = _NONE,
    classes_file: options.ClassesFile = DEFAULTS.classes_file,
    vocabulary: options.VocabularyName = DEFAULTS.vocabulary,
    background: options.Background = DEFAULTS.background,
    bank: options.Bank = DEFAULTS.bank,
    pool: options.Pool = DEFAULTS.pool,
    preset: options.Preset = DEFAULTS.preset,
    image_text_encoder: options.ImageTextModel = DEFAULTS.image_text_encoder,
    backbone: options.BackboneModel = DEFAULTS.backbone,
    prototype_backbone: options.PrototypeBackboneModel = DEFAULTS.prototype_backbone,
    dense_variant: options.DenseVariant = DEFAULTS.dense_variant,
    templates: options.Templates = DEFAULTS.templates,
    image_size: options.ImageSize = DEFAULTS.segment.encoding.image_size,
    refine: options.Refine = DEFAULTS.segment.refinement.refine,
    abstain: options.Abstain = DEFAULTS.segment.refinement.abstain,
    device: options.Device = DEFAULTS.device,
    dtype: options.Dtype = DEFAULTS.dtype,
    seed: options.Seed = DEFAULTS.segment.region_pooling.seed,
    cache_dir: options.CacheDir = DEFAULTS.cache_dir,
    offline: options.Offline = False,
    recursive: options.Recursive = DEFAULTS.inputs.recursive,
    include: options.Include = _NONE,
    exclude: options.Exclude = _NONE,
    limit: options.Limit = DEFAULTS.run.limit,
    shard: options.Shard = _SHARD,
    batch_size: options.BatchSize = DEFAULTS.run.batch_size,
    workers: options.Workers = DEFAULTS.run.workers,
    fail_fast: options.FailFast = DEFAULTS.run.fail_fast,
    dry_run: options.DryRun = False,
    config: options.ConfigFile = None,
    assignments: options.Assignments = _NONE,
    print_config: options.PrintConfig = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    as_json: options.Json = False,
) -> None:
    """Segment images by names that you type, into a folder of masks, pictures and a report.

    The run folder gets masks/NAME.png (0 background, 1… the classes in their order), overlays/, report.html,
    classes.json, images.jsonl (a line an image) and run.json. The same command goes on where it was stopped,
    and skips what is done. Images that cannot be read are listed at the end; the rest goes on (exit code 3).

    For example:

      ovseg segment photos/ -c "cat, dog, sofa" -o out

      ovseg segment photos/ -c "sofa=sofa,couch; lamp" --no-background -o out

      ovseg segment "photos/**/*.jpg" --vocabulary voc21 -f png,coco -o out

      find . -name "*.png" -print0 | ovseg segment - --classes-file c.txt -o out

    Every flag can be set as OVSEG_FLAG in the environment and in a file for --config. A flag wins over the
    environment, that over the file, that over the preset, that over the default.
    """
    settings = resolve(ctx, config=config, assignments=assignments)
    if print_config:
        typer.echo(to_toml(settings), nl=False)
        return
    if not inputs:
        raise UsageError("no images given: name files or folders, or - to read a list from standard input")
    if output is None:
        raise UsageError("no output folder given: add -o FOLDER")
    set_up_process(verbose=verbose, offline=offline)
    summary = launch(inputs, settings, output, dry_run=dry_run, quiet=quiet, as_json=as_json)
    raise typer.Exit(summary.exit_code if summary else 0)
