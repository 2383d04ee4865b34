"""From settings to a finished run: what ``segment`` and ``demo`` have in common."""

from __future__ import annotations

import json
import logging
import os
import platform
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ovseg.cli.classes import told_classes
from ovseg.cli.common import counted, one_line, say
from ovseg.cli.progress import shown_progress
from ovseg.cli.segmenting import banked_vocabulary, drop_encodings, load_segmenter, read_bank, take_bank

if TYPE_CHECKING:
    from ovseg.cli.settings import Settings
    from ovseg.encoders.presets import LoadContext, Preset
    from ovseg.encoders.roles import ModelChoice, Role
    from ovseg.images import ImageFile
    from ovseg.runs import RunSummary
    from ovseg.vocabulary import Vocabulary

__all__ = ["launch", "load_encoders", "print_summary", "say", "set_up_process"]


def set_up_process(*, verbose: int, offline: bool) -> None:
    """Logging to standard error, Pillow's remarks on odd files silenced, the hub shut off if asked.

    To be called before anything imports torch or the hub's client, which read the environment then.
    """
    # What -v asks for is what ovseg does; other libraries show their warnings, and more from -vv on.
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(
        level=logging.INFO if verbose > 1 else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("ovseg").setLevel(level)
    if not verbose:
        # Damaged files become failures of the run; what Pillow says about the others helps nobody.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    # OpenMP's threads spin while they wait, by default, and take the cores from the threads that read and
    # write images, and from other programs: on two busy cores that made a run several times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The same for the BLAS of NumPy and that of SciPy, each of which has threads of its own: they wait for a
    # tenth of a second (2 to the power 28 cycles), from here on for less than a millisecond.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")
    # oneDNN keeps 1024 kernels, one for each layer and size of image. They are small, but lie all over the
    # heap and keep what was freed around them from being used again in one piece: with photos of many sizes a
    # run grew by hundreds of megabytes. To make them anew costs some hundredths of a second a photo on x86;
    # on ARM, where matrix products are such kernels too, nobody has measured it.
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")


def load_encoders(
    preset: str,
    context: LoadContext,
    *,
    models: ModelChoice | None = None,
    role: Role | None = None,
    quiet: bool,
) -> Preset:
    """Load a preset, or its encoder of one role; say which preset it is.

    Args:
        preset: As flags name it.
        context: Where it computes.
        models: Models that replace its own.
        role: The only one that is used.
        quiet: Say nothing.

    Raises:
        OvsegError: As ``choose_preset`` and ``Preset.load`` do.
    """
    from ovseg.encoders.presets import Preset, choose_preset, preset_note
    from ovseg.encoders.roles import ModelChoice

    card = choose_preset(preset, models or ModelChoice(), role=role)
    say(preset_note(preset, card), quiet=quiet)
    return Preset(card, context).load(*([role] if role else []))


def launch(
    inputs: Sequence[str],
    settings: Settings,
    out: Path,
    *,
    dry_run: bool = False,
    quiet: bool = False,
    as_json: bool = False,
) -> RunSummary | None:
    """Find the images, load the models, run, and print the result on standard output.

    Everything that can be wrong with the call is found before a model is loaded.

    Returns:
        What has come of it; None after a dry run.
    """
    from ovseg.images import find_images
    from ovseg.outputs import FORMATS

    bank = read_bank(settings)
    vocabulary = banked_vocabulary(settings, bank)
    for name in settings.run.formats:
        FORMATS.get(name)
    run = replace(settings.run, options=settings.format.chosen(settings.run.formats))
    chosen = settings.inputs
    images = find_images(
        inputs, recursive=chosen.recursive, include=chosen.include, exclude=chosen.exclude, skip=out
    )
    if dry_run:
        _print_plan(images, vocabulary, settings, out, as_json=as_json)
        return None

    from ovseg.runs import run_segmentation

    keep_scores = settings.segment.keep_scores or "scores" in settings.run.formats
    segment = replace(settings.segment, keep_scores=keep_scores)
    segmenter = load_segmenter(replace(settings, segment=segment), bank, quiet=quiet)
    if settings.classes and any(spec.synonyms for spec in vocabulary.classes):
        # A comma before "=" parts classes, one after it parts synonyms: better to say what was understood.
        say(told_classes(vocabulary), quiet=quiet)
    paths = [image.path for image in images][: settings.run.limit]
    try:
        take_bank(segmenter, settings, vocabulary, paths, out, quiet=quiet)
        with shown_progress(quiet=quiet) as progress:
            summary = run_segmentation(images, vocabulary, segmenter, out, run, progress)
    except KeyboardInterrupt:
        say(f"interrupted: what is done is in {out}; the same command goes on from there")
        raise
    drop_encodings(settings, out)
    print_summary(summary, quiet=quiet, as_json=as_json)
    return summary


def _print_plan(
    images: Sequence[ImageFile], vocabulary: Vocabulary, settings: Settings, out: Path, *, as_json: bool
) -> None:
    number, count = settings.run.shard
    selected = list(images)[: settings.run.limit][number - 1 :: count]
    if as_json:
        plan = {
            "out": str(out),
            "formats": list(settings.run.formats),
            "classes": list(vocabulary.names),
            "background": vocabulary.has_background,
            "images": [{"path": str(image.path), "stem": image.stem.as_posix()} for image in selected],
        }
        typer.echo(json.dumps(plan))
        return
    for image in selected:
        typer.echo(one_line(f"{image.path} -> {out / 'masks' / image.stem}.png"))
    formats = ", ".join(settings.run.formats)
    say(f"{counted(len(selected), 'image')}, {told_classes(vocabulary)}, formats {formats}")
    say("dry run: nothing was written")


def print_summary(summary: RunSummary, *, quiet: bool, as_json: bool) -> None:
    """Say on standard error how the run went; the result (report or JSON) goes to standard output."""
    new = summary.done - summary.skipped
    text = f"{summary.done} of {summary.images} images are done"
    if new:
        text += f", {new} of them now in {summary.seconds:.1f} s ({summary.seconds / new:.2f} s an image)"
    if summary.failures:
        text += f"; {len(summary.failures)} failed, reasons in {summary.out / 'run.json'}"
    say(text, quiet=quiet)
    if as_json:
        typer.echo(json.dumps(summary.to_dict()))
    else:
        typer.echo(one_line(summary.outputs.get("html", summary.out)))
