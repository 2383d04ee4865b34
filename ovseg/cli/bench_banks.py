"""``ovseg bench banks``: what a bank gives beside names, in one run on one machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ovseg.cli import options
from ovseg.cli.common import say
from ovseg.cli.flags import configured, flag, flags, setting, takes_flags
from ovseg.cli.launch import set_up_process
from ovseg.cli.progress import shown_progress
from ovseg.config import SegmentConfig
from ovseg.errors import UsageError

__all__ = ["banks"]

CONFIG = SegmentConfig()

_FIGURES = ("miou", "first_half", "second_half")


@flags("Bank and pool")
class BanksFlags(
    options.JsonFlag,
    options.QuietFlag,
    options.DeviceFlags,
    options.PresetFlag,
    options.LimitFlag,
    options.VocabularyFlag,
):
    """Flags of ``ovseg bench banks``."""

    root: Path = flag("Folder of the data set.", required=True, panel="Input", metavar="FOLDER")
    background: bool = flag(
        "For folder: whether index 0 is background.",
        "--background/--no-background",
        default=True,
        panel="Classes",
    )
    work: Path = flag(
        "Folder for encodings and banks, kept for the next call.",
        required=True,
        panel="Output",
        metavar="FOLDER",
    )
    bank: list[Path] = flag("Bank to compare, for the classes of the data set. Repeatable.", default=[])
    pool: Path | None = flag("Pool from which a bank is retrieved and compared too.")
    self_pool: bool = flag("Also make a bank from the images themselves.", "--self/--no-self", default=True)
    weight: float | None = setting(
        "bank.prototype_weight",
        "Weight of the bank (segment.bank.prototype_weight).",
        of=CONFIG,
        default=None,
    )
    region_weights: list[float] = flag(
        "Weight of region pooling (segment.region_pooling.region_weight) to compare. Repeatable.",
        "--region-weight",
        default=[],
        panel="Segmentation",
    )
    segments: int | None = setting(
        "region_pooling.segments",
        "Segments whose connected components are pooled (segment.region_pooling.segments).",
        of=CONFIG,
        default=None,
        panel="Segmentation",
    )


@takes_flags
def banks(
    name: Annotated[str, typer.Argument(help="Data set: folder, voc21… (see ovseg evaluate).")],
    flags: BanksFlags,
) -> None:
    """Compare mean IoU of text alone, banks alone and both, with and without stages of the method.

    Images are encoded once; encodings stay in --work. Labels are compared on the patch grid.

    For example:

      ovseg bench banks folder --root DATA/msrc_mini --no-background --vocabulary msrc --work work

      ovseg bench banks voc21 --root DATA/voc_mini --pool photos.pool --work work
    """
    set_up_process(verbose=0, offline=True)

    from ovseg.evaluation.datasets.catalog import DATASETS
    from ovseg.evaluation.datasets.folder import load_folder
    from ovseg.evaluation.predictions import match_vocabulary
    from ovseg.pipeline import Segmenter
    from ovseg.pipeline.bank_matching import BankMatcher
    from ovseg.pipeline.benchmarks.banks import bank_table, lines_for, made_banks
    from ovseg.vocabulary import load_vocabulary

    if name == "folder":
        data = load_folder(flags.root, background=flags.background)
    else:
        data = DATASETS.get(name).load(flags.root)
    data = data.limited(flags.limit)
    words = flags.vocabulary or data.card.vocabulary
    if words is None:
        raise UsageError("this data set has no vocabulary of its own: add --vocabulary")
    classes = replace(load_vocabulary(words), has_background=data.has_background)
    match_vocabulary(classes, data)  # before anything is encoded
    config, work = configured(flags, CONFIG), flags.work
    segmenter = Segmenter(flags.preset, device=flags.device, config=config, cache_dir=flags.cache_dir)
    given = [(path.stem, BankMatcher(path, segmenter.encoders)) for path in flags.bank]
    spaces = {space.name for _, used in given for space in used.spaces}
    segmenter.encoders = segmenter.encoders.with_spaces(spaces)
    segmenter.keep_encodings(work / "encoded")
    found: list[tuple[str, bool | None, BankMatcher]] = [(stem, None, used) for stem, used in given]
    with shown_progress(quiet=flags.quiet) as progress:
        progress.start(len(data.samples) * (2 if flags.self_pool else 1), 0)
        found += made_banks(
            segmenter,
            data,
            classes,
            work,
            pool=flags.pool,
            advance=progress.advance if flags.self_pool else None,
        )
        lines = lines_for(config, found, background=data.has_background, region_weights=flags.region_weights)
        rows = bank_table(segmenter, data, classes, lines, progress.advance)
    say(f"{len(data.samples)} photos of {data.card.name}, vocabulary {classes.source}", quiet=flags.quiet)
    if flags.as_json:
        typer.echo(json.dumps(rows))
        return
    keys = list(rows[0])
    typer.echo("| " + " | ".join(keys) + " |")
    typer.echo("|" + " --- |" * len(keys))
    for row in rows:
        typer.echo("| " + " | ".join(_shown(key, row[key]) for key in keys) + " |")


def _shown(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:.1f}" if key in _FIGURES else str(value or "")
