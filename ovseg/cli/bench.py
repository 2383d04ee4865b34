"""``ovseg bench``: what a choice costs and gains on the user's own data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from ovseg.cli import options
from ovseg.cli.bench_banks import banks
from ovseg.cli.common import option
from ovseg.cli.config_merge import parse_assignment
from ovseg.cli.launch import set_up_process
from ovseg.cli.table import print_table, ticker
from ovseg.config import SegmentConfig
from ovseg.errors import UsageError
from ovseg.overrides import overlay
from ovseg.prototypes.config import PrototypeConfig

app = typer.Typer(no_args_is_help=True, help="Compare choices on your own data.", rich_markup_mode=None)

_NONE: list[str] = []
_SETTINGS = (
    "saliency,"
    + ",".join(f"cut+saliency:token{layer}@{tau}" for layer in (-1, -2, -3) for tau in (0.3, 0.4, 0.5))
    + ","
    + ",".join(f"cut+saliency:value-1@{tau}" for tau in (0.3, 0.4, 0.5))
    + ",cut+saliency:key-1@0.2,cut+saliency:key-1@0.6,cut+saliency:query-1@0.6"
    + ",cut:token-1@0.4,cut:value-1@0.4,all:token-1@0.4,all:value-1@0.3,all:value-1@0.4,all:value-1@0.5"
)


@app.callback()
def _root() -> None:
    """Compare choices on your own data."""


app.command("banks")(banks)


@app.command("discovery")
def discovery(
    photos: Annotated[
        Path | None, typer.Argument(help="Folder of photos with --truth.", show_default=False)
    ] = None,
    settings: Annotated[
        str,
        option("--settings", help="What to compare, METHOD:FACETLAYER@TAU.", show_default=False),
    ] = _SETTINGS,
    truth: Annotated[
        Path | None, option("--truth", help="Boxes of PHOTOS, as ovseg evaluate discovery takes them.")
    ] = None,
    object_photos: Annotated[
        Path | None, option("--object-photos", help="Photos with one object each.")
    ] = None,
    object_masks: Annotated[
        Path | None, option("--object-masks", help="Their masks, NAME.png (indices, 255 ignored).")
    ] = None,
    object_list: Annotated[
        Path | None, option("--object-list", help="CSV with name and index: what in the mask is the object.")
    ] = None,
    threads: Annotated[int, option("--threads", help="CPU threads.")] = 2,
    limit: options.Limit = None,
    preset: options.BackbonePreset = "auto",
    device: options.Device = "auto",
    cache_dir: options.CacheDir = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Compare how well features, layers and thresholds find objects on your own photos.

    Of the preset only the shape encoder is loaded.

    For example:

      ovseg bench discovery photos/ --truth boxes.json --settings "all:value-1@0.4,all:token-1@0.4"
    """
    set_up_process(verbose=0, offline=True)
    if (photos is None) != (truth is None):
        raise UsageError("PHOTOS and --truth belong together: give both or neither")
    if not (truth or (object_photos and object_masks and object_list)):
        raise UsageError("give PHOTOS and --truth, or --object-photos, --object-masks and --object-list")

    from ovseg.device import limit_threads
    from ovseg.encoders.presets import LoadContext, open_preset
    from ovseg.pipeline.benchmarks.discovery import Truth, parse_settings, quality_table

    lines = parse_settings(settings)
    limit_threads(threads)
    encoders = open_preset(preset, LoadContext.resolve(device, "float32", cache_dir), role="backbone")
    where = Truth(photos, truth, object_photos, object_masks, object_list)
    print_table(quality_table(encoders, lines, where, limit=limit, tick=ticker(quiet=quiet)), as_json=as_json)


@app.command("shots")
def shots(
    root: Annotated[Path, option("--root", help="Folder data set: images/, masks/ and classes.txt.")],
    work: Annotated[Path, option("--work", help="Folder for encoded images, kept for the next call.")],
    vocabulary: options.VocabularyName = None,
    shots: Annotated[
        str, option("--shots", help="Numbers of support images a class, ascending; 0: names alone.")
    ] = "0,1,2,3,5",
    seed: options.Seed = 0,
    images: Annotated[
        int | None, option("--images", help="Measure on so many images at most, evenly taken.")
    ] = None,
    assignments: Annotated[
        list[str], options.setting("segment.bank.prototype_weight=8 or prototypes.parts=8")
    ] = _NONE,
    refine: options.Refine = "none",
    preset: options.Preset = "auto",
    device: options.Device = "auto",
    cache_dir: options.CacheDir = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """How figures grow with given support: zero, one and few shots, on a data set with masks.

    Support images are drawn for each class with their masks; all of them are left out of the measuring, for
    every number of shots. Every pixel gets one of the classes.

    For example:

      ovseg bench shots --root mydata --vocabulary names.toml --work shots/
    """
    set_up_process(verbose=0, offline=True)
    numbers = _shot_numbers(shots)
    chosen = _ShotSettings(segment=SegmentConfig().with_settings(refine=refine))
    for text in assignments:
        chosen = overlay(chosen, parse_assignment(text), "--set")

    from ovseg.encoders.presets import LoadContext, open_preset
    from ovseg.evaluation.datasets.folder import folder_classes, load_folder
    from ovseg.vocabulary import Vocabulary, load_vocabulary

    dataset = load_folder(root, background=False)
    words = load_vocabulary(vocabulary) if vocabulary else Vocabulary(folder_classes(root), source=str(root))
    encoders = open_preset(preset, LoadContext.resolve(device, "float32", cache_dir)).load()

    from ovseg.pipeline.benchmarks.shots import ShotsBench
    from ovseg.pipeline.benchmarks.shots_table import as_table

    bench = ShotsBench(
        dataset, words.without_background(), encoders, chosen.segment, work, tick=ticker(quiet=quiet)
    )
    rows = bench.rows(numbers, seed=seed, images=images, prototypes=chosen.prototypes)
    print_table(as_table(rows), as_json=as_json)


@dataclass(frozen=True)
class _ShotSettings:
    """What ``--set`` can change in ``ovseg bench shots``."""

    segment: SegmentConfig = field(default_factory=SegmentConfig)
    prototypes: PrototypeConfig = field(default_factory=PrototypeConfig)


def _shot_numbers(text: str) -> list[int]:
    parts = text.replace(" ", "").split(",")
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--shots takes whole numbers, such as 0,1,3, not {text!r}")
    numbers = [int(part) for part in parts]
    if numbers != sorted(set(numbers)) or numbers[-1] == 0:
        raise UsageError(f"--shots takes ascending numbers, the last one above 0, not {text!r}")
    return numbers
