"""``ovseg bench``: what a choice costs and gains on the user's own data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from ovseg.cli import options
from ovseg.cli.bench_banks import banks
from ovseg.cli.config_merge import parse_assignment
from ovseg.cli.flags import flag, flags, takes_flags
from ovseg.cli.help import Application
from ovseg.cli.launch import set_up_process
from ovseg.cli.table import print_table, ticker
from ovseg.config import SegmentConfig
from ovseg.errors import UsageError
from ovseg.overrides import overlay
from ovseg.prototypes.config import PrototypeConfig

app = Application(help="Compare choices on your own data.")

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


@flags("Input")
class DiscoveryFlags(
    options.JsonFlag,
    options.QuietFlag,
    options.DeviceFlags,
    options.BackbonePresetFlag,
    options.LimitFlag,
):
    """Flags of ``ovseg bench discovery``."""

    truth: Path | None = flag("Boxes of PHOTOS, as ovseg evaluate discovery takes them.")
    object_photos: Path | None = flag("Photos with one object each.", metavar="FOLDER")
    object_masks: Path | None = flag("Their masks, NAME.png (indices, 255 ignored).", metavar="FOLDER")
    object_list: Path | None = flag("CSV with name and index: which value of the mask is the object.")
    settings: str = flag(
        "What to compare, METHOD:FACETLAYER@TAU between commas.",
        default=_SETTINGS,
        show_default=False,
        panel="Discovery",
    )
    threads: int = flag("CPU threads.", default=2, panel="Run")


@app.command("discovery")
@takes_flags
def discovery(
    photos: Annotated[
        Path | None, typer.Argument(help="Folder of photos with --truth.", show_default=False)
    ] = None,
    *,
    flags: DiscoveryFlags,
) -> None:
    """Compare how well features, layers and thresholds find objects on your own photos.

    Of the preset only the backbone is loaded.

    For example:

      ovseg bench discovery photos/ --truth boxes.json --settings "all:value-1@0.4,all:token-1@0.4"
    """
    set_up_process(verbose=0, offline=True)
    truth, objects = flags.truth, (flags.object_photos, flags.object_masks, flags.object_list)
    if (photos is None) != (truth is None):
        raise UsageError("PHOTOS and --truth belong together: give both or neither")
    if not (truth or all(objects)):
        raise UsageError("give PHOTOS and --truth, or --object-photos, --object-masks and --object-list")

    from ovseg.device import limit_threads
    from ovseg.encoders.presets import LoadContext, open_preset
    from ovseg.pipeline.benchmarks.discovery import Truth, parse_settings, quality_table

    lines = parse_settings(flags.settings)
    limit_threads(flags.threads)
    encoders = open_preset(
        flags.preset, LoadContext.resolve(flags.device, "float32", flags.cache_dir), role="backbone"
    )
    where = Truth(photos, truth, *objects)
    rows = quality_table(encoders, lines, where, limit=flags.limit, tick=ticker(quiet=flags.quiet))
    print_table(rows, as_json=flags.as_json)


@flags("Evaluation")
class ShotsFlags(
    options.JsonFlag,
    options.QuietFlag,
    options.DeviceFlags,
    options.SeedFlag,
    options.PresetFlag,
    options.VocabularyFlag,
):
    """Flags of ``ovseg bench shots``."""

    root: Path = flag(
        "Folder data set: images/, masks/ and classes.txt.", required=True, panel="Input", metavar="FOLDER"
    )
    work: Path = flag(
        "Folder for encoded images, kept for the next call.", required=True, panel="Output", metavar="FOLDER"
    )
    shots: str = flag(
        "Numbers of support images per class, ascending; 0: text alone.", default="0,1,2,3,5", metavar="N,N"
    )
    images: int | None = flag("Measure on this many images, evenly spaced.")
    refine: str = flag("Refinement of mask edges: none, pamr or crf.", default="none", panel="Segmentation")
    assignments: list[str] = flag(
        options.SET.format("segment.bank.prototype_weight=8 or prototypes.parts=8"),
        "--set",
        default=[],
        panel="Configuration",
        metavar="KEY=VALUE",
    )


@app.command("shots")
@takes_flags
def shots(flags: ShotsFlags) -> None:
    """Measure how scores grow with the number of support images, on a data set with masks.

    Support images are drawn for each class with their masks; none of them is evaluated, for any number of
    shots. Every pixel gets one of the classes.

    For example:

      ovseg bench shots --root mydata --vocabulary names.toml --work shots/
    """
    set_up_process(verbose=0, offline=True)
    numbers = _shot_numbers(flags.shots)
    chosen = _ShotSettings(segment=SegmentConfig().with_settings(refine=flags.refine))
    for text in flags.assignments:
        chosen = overlay(chosen, parse_assignment(text), "--set")

    from ovseg.encoders.presets import LoadContext, open_preset
    from ovseg.evaluation.datasets.folder import folder_classes, load_folder
    from ovseg.vocabulary import Vocabulary, load_vocabulary

    dataset = load_folder(flags.root, background=False)
    if flags.vocabulary:
        words = load_vocabulary(flags.vocabulary)
    else:
        words = Vocabulary(folder_classes(flags.root), source=str(flags.root))
    encoders = open_preset(flags.preset, LoadContext.resolve(flags.device, "float32", flags.cache_dir)).load()

    from ovseg.pipeline.benchmarks.shots import ShotsBench
    from ovseg.pipeline.benchmarks.shots_table import as_table

    bench = ShotsBench(
        dataset,
        words.without_background(),
        encoders,
        chosen.segment,
        flags.work,
        tick=ticker(quiet=flags.quiet),
    )
    rows = bench.rows(numbers, seed=flags.seed, images=flags.images, prototypes=chosen.prototypes)
    print_table(as_table(rows), as_json=flags.as_json)


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
