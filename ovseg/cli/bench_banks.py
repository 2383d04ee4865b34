"""``ovseg bench banks``: what a bank gives beside names, in one run on one machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ovseg.cli import options
from ovseg.cli.common import option, say
from ovseg.cli.launch import set_up_process
from ovseg.cli.progress import shown_progress
from ovseg.errors import UsageError

__all__ = ["banks"]


_NONE: list[Path] = []
_NO_WEIGHTS: list[float] = []
_FIGURES = ("miou", "first_half", "second_half")


def banks(
    name: Annotated[str, typer.Argument(help="Data set: folder, voc21… (see ovseg evaluate).")],
    root: Annotated[Path, option("--root", help="Its folder.")],
    work: Annotated[Path, option("--work", help="Folder for encodings and banks; kept for the next call.")],
    background: Annotated[
        bool, option("--background/--no-background", help="For folder: whether index 0 is background.")
    ] = True,
    vocabulary: options.VocabularyName = None,
    bank: Annotated[
        list[Path], option("--bank", help="A bank to compare, for the classes of the data. Repeatable.")
    ] = _NONE,
    pool: Annotated[
        Path | None, option("--pool", help="A pool, from which a bank is retrieved and compared too.")
    ] = None,
    self_pool: Annotated[
        bool, option("--self/--no-self", help="Whether the photos are their own pool.")
    ] = True,
    weight: Annotated[
        float | None,
        option("--weight", help="Weight of the bank (segment.bank.prototype_weight).", show_default=False),
    ] = None,
    region_weights: Annotated[
        list[float],
        option(
            "--region-weight",
            help="Weight of region pooling (segment.region_pooling.region_weight) to compare. Repeatable.",
        ),
    ] = _NO_WEIGHTS,
    segments: Annotated[
        int | None,
        option(
            "--segments",
            help="Segments whose connected components are pooled (segment.region_pooling.segments).",
            show_default=False,
        ),
    ] = None,
    limit: options.Limit = None,
    preset: options.Preset = "auto",
    device: options.Device = "auto",
    cache_dir: options.CacheDir = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Mean IoU of names alone, banks alone and both, with and without the parts of the method.

    Photos are encoded once; encodings stay in --work. Labels are compared at grid resolution.

    For example:

      ovseg bench banks folder --root DATA/msrc_mini --no-background --vocabulary msrc --work work

      ovseg bench banks voc21 --root DATA/voc_mini --pool photos.pool --work work
    """
    set_up_process(verbose=0, offline=True)

    from ovseg.config import SegmentConfig
    from ovseg.evaluation.datasets.catalog import DATASETS
    from ovseg.evaluation.datasets.folder import load_folder
    from ovseg.evaluation.predictions import match_vocabulary
    from ovseg.pipeline import Segmenter
    from ovseg.pipeline.bank_matching import BankMatcher
    from ovseg.pipeline.benchmarks.banks import bank_table, lines_for, made_banks
    from ovseg.vocabulary import load_vocabulary

    data = load_folder(root, background=background) if name == "folder" else DATASETS.get(name).load(root)
    data = data.limited(limit)
    words = vocabulary or data.card.vocabulary
    if words is None:
        raise UsageError("this data set has no vocabulary of its own: add --vocabulary")
    classes = replace(load_vocabulary(words), has_background=data.has_background)
    match_vocabulary(classes, data)  # before anything is encoded
    chosen = {"prototype_weight": weight, "segments": segments}
    config = SegmentConfig().with_settings(**{k: value for k, value in chosen.items() if value is not None})
    segmenter = Segmenter(preset, device=device, config=config, cache_dir=cache_dir)
    given = [(path.stem, BankMatcher(path, segmenter.encoders)) for path in bank]
    spaces = {space.name for _, used in given for space in used.spaces}
    segmenter.encoders = segmenter.encoders.with_spaces(spaces)
    segmenter.keep_encodings(work / "encoded")
    found: list[tuple[str, bool | None, BankMatcher]] = [(stem, None, used) for stem, used in given]
    with shown_progress(quiet=quiet) as progress:
        progress.start(len(data.samples) * (2 if self_pool else 1), 0)
        found += made_banks(
            segmenter, data, classes, work, pool=pool, advance=progress.advance if self_pool else None
        )
        lines = lines_for(config, found, background=data.has_background, region_weights=region_weights)
        rows = bank_table(segmenter, data, classes, lines, progress.advance)
    say(f"{len(data.samples)} photos of {data.card.name}, vocabulary {classes.source}", quiet=quiet)
    if as_json:
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
