"""``ovseg discover``: objects without names."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import typer

from ovseg.cli import options
from ovseg.cli.common import one_line, option
from ovseg.cli.launch import print_summary, say, set_up_process
from ovseg.cli.progress import shown_progress
from ovseg.discovery.config import DiscoveryConfig
from ovseg.errors import UsageError
from ovseg.runs.config import RunConfig, parse_shard

__all__ = ["discover"]

_DEFAULT = DiscoveryConfig()
_RUN = RunConfig(formats=("png", "overlay", "boxes", "objects", "html"))
_FORMATS = list(_RUN.formats)
_SHARD = "/".join(map(str, _RUN.shard))
_NONE: list[str] = []


def discover(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, quoted patterns, or - for a list on standard input.",
            metavar="INPUTS",
            show_default=False,
        ),
    ] = None,
    output: options.Output = None,
    format: Annotated[
        list[str],
        option(
            "--format",
            "-f",
            help="Output formats, repeated or between commas: {format without scores}.",
        ),
    ] = _FORMATS,
    overwrite: options.Overwrite = _RUN.overwrite,
    objects: Annotated[int, option("--objects", help="Most objects an image.")] = _DEFAULT.max_regions,
    min_score: Annotated[
        float,
        option("--min-score", help="Drop objects below this score, from 0 (keep all) to 1: nothing here."),
    ] = _DEFAULT.min_score,
    preset: options.BackbonePreset = "auto",
    backbone: options.BackboneModel = None,
    image_size: Annotated[
        int,
        option("--image-size", help="See an image with as many pixels as a square of this side."),
    ] = _DEFAULT.image_size,
    facet: Annotated[
        Literal["token", "query", "key", "value"] | None,
        option("--facet", help="Features that are cut. Default: what suits the preset.", show_default=False),
    ] = None,
    layer: Annotated[
        int | None,
        option(
            "--layer",
            help="Transformer block of the features, -1 the last. Default: by preset.",
            show_default=False,
        ),
    ] = None,
    tau: Annotated[
        float | None,
        option("--tau", help="Cosine above which cells are linked. Default: by preset.", show_default=False),
    ] = None,
    split: Annotated[
        Literal["mean", "ncut"],
        option("--split", help="Cut the eigenvector at its mean, or at the best N-cut value."),
    ] = _DEFAULT.split,
    rounds: Annotated[int, option("--rounds", help="Cuts an image (MaskCut).")] = _DEFAULT.rounds,
    refine: Annotated[
        Literal["none", "bilateral"], option("--refine", help="Draw masks to the photo's edges.")
    ] = _DEFAULT.refine,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    cache_dir: options.CacheDir = None,
    offline: options.Offline = False,
    recursive: options.Recursive = True,
    include: options.Include = _NONE,
    exclude: options.Exclude = _NONE,
    limit: options.Limit = _RUN.limit,
    shard: options.Shard = _SHARD,
    workers: options.Workers = _RUN.workers,
    fail_fast: options.FailFast = _RUN.fail_fast,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    as_json: options.Json = False,
) -> None:
    """Find objects without any names, by normalized cut, and say where there is nothing.

    The run folder gets masks/NAME.png (0 background, 1 the best object, 2 the next…), overlays/, boxes.json
    (per photo its objects, best first, with box, score and area), objects.json (COCO, overlaps kept),
    report.html, images.jsonl and run.json. The same command goes on where it was stopped.

    For example:

      ovseg discover photos/ -o out

      ovseg discover photos/ -o out -f boxes,eigenvectors --objects 1 --min-score 0

      ovseg discover photos/ -o out --refine bilateral
    """
    if not inputs:
        raise UsageError("no images given: name files or folders, or - to read a list from standard input")
    if output is None:
        raise UsageError("no output folder given: add -o FOLDER")
    set_up_process(verbose=verbose, offline=offline)
    run = replace(
        _RUN,
        formats=tuple(part.strip() for value in format for part in value.split(",") if part.strip()),
        limit=limit,
        shard=parse_shard(shard),
        workers=workers,
        overwrite=overwrite,
        fail_fast=fail_fast,
    )
    given: dict[str, Any] = {
        "max_regions": objects,
        "min_score": min_score,
        "image_size": image_size,
        "split": split,
        "rounds": rounds,
        "refine": refine,
    }
    chosen = {"facet": facet, "layer": layer, "tau": tau}
    given |= {key: value for key, value in chosen.items() if value is not None}
    if tau is not None:
        given["density"] = None
    replace(_DEFAULT, **given)  # out of range: said before anything is loaded

    from ovseg.images import find_images
    from ovseg.outputs import FORMATS

    for name in run.formats:
        FORMATS.get(name)
    images = find_images(inputs, recursive=recursive, include=include, exclude=exclude, skip=output)
    if dry_run:
        for image in images[: run.limit][run.shard[0] - 1 :: run.shard[1]]:
            typer.echo(one_line(f"{image.path} -> {output / 'masks' / image.stem}.png"))
        say("dry run: nothing was written")
        return

    from ovseg.pipeline.discoverer import Discoverer, object_vocabulary
    from ovseg.runs import run_segmentation

    finder = Discoverer(
        preset,
        backbone=backbone,
        device=device,
        dtype=dtype,
        cache_dir=cache_dir,
    )
    finder.config = replace(finder.config, **given)
    say(finder.note, quiet=quiet)
    try:
        with shown_progress(quiet=quiet) as progress:
            summary = run_segmentation(images, object_vocabulary(objects), finder, output, run, progress)
    except KeyboardInterrupt:
        say(f"interrupted: what is done is in {output}; the same command goes on from there")
        raise
    print_summary(summary, quiet=quiet, as_json=as_json)
    raise typer.Exit(summary.exit_code)
