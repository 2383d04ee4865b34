"""``ovseg discover``: objects without names."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Literal

import typer

from ovseg.cli import options
from ovseg.cli.common import one_line
from ovseg.cli.flags import configured, flags, setting, takes_flags
from ovseg.cli.launch import print_summary, say, set_up_process
from ovseg.cli.progress import shown_progress
from ovseg.cli.settings import DEFAULTS
from ovseg.discovery.config import DiscoveryConfig
from ovseg.errors import UsageError
from ovseg.runs.config import RunConfig

__all__ = ["discover"]

_DEFAULT = DiscoveryConfig()
_RUN = RunConfig(formats=("png", "overlay", "boxes", "objects", "html"))
_setting = partial(setting, of=_DEFAULT)
_by_preset = partial(_setting, default=None, show_default=False)


@flags("Discovery")
class DiscoverFlags(
    options.ReportFlags,
    options.RunFlags,
    options.ComputeFlags,
    options.BackboneFlag,
    options.BackbonePresetFlag,
    options.FormatFlags,
    options.LimitFlag,
    options.FileFlags,
):
    """Flags of ``ovseg discover``."""

    format: list[str] = setting(
        "run.formats",
        "Output formats, repeated or between commas: {format without scores}.",
        "-f",
        default=_RUN.formats,
        read=options.split_names,
        panel="Output",
        metavar="NAMES",
    )
    objects: int = _setting("max_regions", "Most objects per image.")
    min_score: float = _setting(
        "min_score", "Drop objects with a score below this, from 0 (keep all) to 1; an image may have none."
    )
    image_size: int = _setting(
        "image_size", "Encode images with as many pixels as a square of this side.", metavar="PIXELS"
    )
    facet: Literal["token", "query", "key", "value"] | None = _by_preset(
        "facet", "Transformer features on which the graph is built. Default: what suits the backbone."
    )
    layer: int | None = _by_preset(
        "layer", "Transformer block of these features, -1 the last. Default: what suits the backbone."
    )
    tau: float | None = _by_preset(
        "tau", "Cosine above which two patches are linked. Default: what suits the backbone."
    )
    split: Literal["mean", "ncut"] = _setting(
        "split", "Threshold of the eigenvector: its mean, or the best normalized-cut value."
    )
    rounds: int = _setting("rounds", "Cuts per image (MaskCut).")
    refine: Literal["none", "bilateral"] = _setting("refine", "Refinement of mask edges.")


@takes_flags
def discover(inputs: options.Inputs = None, *, flags: DiscoverFlags) -> None:
    """Find objects without class names, by normalized cuts of the patch affinity graph.

    The run folder gets masks/NAME.png (0 background, 1 the best object, 2 the next…), overlays/, boxes.json
    (the objects of each image, best first, with box, score and area), objects.json (COCO, overlaps kept),
    report.html, images.jsonl and run.json. The same command resumes where it was stopped.

    For example:

      ovseg discover photos/ -o out

      ovseg discover photos/ -o out -f boxes,eigenvectors --objects 1 --min-score 0

      ovseg discover photos/ -o out --refine bilateral
    """
    if not inputs:
        raise UsageError("no images given: name files or folders, or - to read a list from standard input")
    out = flags.output
    if out is None:
        raise UsageError("no output folder given: add -o FOLDER")
    set_up_process(verbose=flags.verbose, offline=flags.offline)
    settings = configured(flags, DEFAULTS)
    _discovery(flags, _DEFAULT)  # out of range: refused before anything is loaded

    from ovseg.images import find_images
    from ovseg.outputs import FORMATS

    run = settings.run
    for name in run.formats:
        FORMATS.get(name)
    images = find_images(inputs, skip=out, **vars(settings.inputs))
    if flags.dry_run:
        for image in images[: run.limit][run.shard[0] - 1 :: run.shard[1]]:
            typer.echo(one_line(f"{image.path} -> {out / 'masks' / image.stem}.png"))
        say("dry run: nothing was written")
        return

    from ovseg.pipeline.discoverer import Discoverer, object_vocabulary
    from ovseg.runs import run_segmentation

    finder = Discoverer(
        settings.preset,
        backbone=settings.backbone,
        device=settings.device,
        dtype=settings.dtype,
        cache_dir=settings.cache_dir,
    )
    finder.config = _discovery(flags, finder.config)
    say(finder.note, quiet=flags.quiet)
    try:
        with shown_progress(quiet=flags.quiet) as progress:
            summary = run_segmentation(images, object_vocabulary(flags.objects), finder, out, run, progress)
    except KeyboardInterrupt:
        say(f"interrupted: what is done is in {out}; the same command resumes there")
        raise
    print_summary(summary, quiet=flags.quiet, as_json=flags.as_json)
    raise typer.Exit(summary.exit_code)


def _discovery(flags: DiscoverFlags, config: DiscoveryConfig) -> DiscoveryConfig:
    """The settings of a backbone with those that were given; a tau replaces a density of links."""
    config = configured(flags, _DEFAULT, config)
    return config if flags.tau is None else replace(config, density=None)
