"""``ovseg names``: what the encoder makes of a name, before a single photo is seen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ovseg.cli import options
from ovseg.cli.classes import chosen_vocabulary
from ovseg.cli.common import option
from ovseg.cli.launch import say, set_up_process
from ovseg.cli.settings import DEFAULTS, resolve
from ovseg.errors import UsageError

if TYPE_CHECKING:
    from ovseg.pipeline.name_report import NameReport

_NONE: list[str] = []


def names(
    ctx: typer.Context,
    queries: Annotated[
        list[str] | None,
        typer.Argument(
            help='Names, each as -c takes a class: "sofa" or "sofa=sofa,couch".',
            metavar="NAMES",
            show_default=False,
        ),
    ] = None,
    classes: options.Classes = _NONE,
    classes_file: options.ClassesFile = DEFAULTS.classes_file,
    vocabulary: options.VocabularyName = DEFAULTS.vocabulary,
    top: Annotated[int, option("--top", help="How many near words and classes to show.", min=1)] = 8,
    preset: options.Preset = DEFAULTS.preset,
    image_text_encoder: options.ImageTextModel = DEFAULTS.image_text_encoder,
    backbone: options.BackboneModel = DEFAULTS.backbone,
    templates: options.Templates = DEFAULTS.templates,
    device: options.Device = DEFAULTS.device,
    dtype: options.Dtype = DEFAULTS.dtype,
    cache_dir: options.CacheDir = DEFAULTS.cache_dir,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Show what the encoder makes of names: near words, templates, attributes, and likely confusions.

    The classes of -c, --classes-file or --vocabulary are the list that the names will compete in; without
    one they compete with each other. A class is marked where it is nearer to the name than 99 % of some
    hundred everyday words: synonyms, negatives or a longer name can then keep the two apart.

    For example:

      ovseg names "sofa" -c "chair, bed, cushion, table"

      ovseg names "bat" "mouse" --vocabulary coco-object --json
    """
    from ovseg.vocabulary import parse_classes

    specs = parse_classes(queries or [])
    if not specs:
        raise UsageError('no names given: write ovseg names "sofa"')
    settings = resolve(ctx, config=None, assignments=())
    photo_filter = settings.classes or settings.classes_file or settings.vocabulary
    rivals = chosen_vocabulary(settings) if photo_filter else None
    set_up_process(verbose=0, offline=offline)

    from ovseg.encoders.presets import LoadContext, Preset, choose_preset, preset_note
    from ovseg.pipeline.name_report import explain_names
    from ovseg.prompts import read_lines

    context = LoadContext.resolve(settings.device, settings.dtype, settings.cache_dir)
    card = choose_preset(settings.preset, settings.roles, role="image_text")
    say(preset_note(settings.preset, card), quiet=quiet)
    encoder = Preset(card, context).image_text
    set_name = getattr(encoder, "templates", "")
    patterns = read_lines("templates", f"{set_name}.txt") if set_name else []
    reports = explain_names(specs, rivals, encoder, top=top, templates=patterns)
    if as_json:
        typer.echo(json.dumps([report.to_dict() for report in reports], indent=2))
        return
    for report in reports:
        typer.echo("\n".join(_lines(report, top, len(patterns))))


def _lines(report: NameReport, top: int, patterns: int) -> list[str]:
    spec = report.spec
    templates = (
        f"{report.templates} ({patterns}), as {report.examples[0]!r}" if patterns else "none: as it stands"
    )
    rows = {
        "words": ", ".join(spec.words),
        "kind": spec.kind or "not known (counts as a thing)",
        "templates": templates,
        "attributes": "; ".join(f"{text} {cosine:.2f}" for text, cosine in report.attributes),
        "appearance": "; ".join(spec.appearance),
        "negatives": ", ".join(spec.negatives),
        "near words": ", ".join(f"{entry.name} {entry.cosine:.2f}" for entry in report.nearest),
    }
    lines = [spec.name, *(f"  {key:<11} {value}" for key, value in rows.items() if value)]
    if report.others:
        lines.append(
            f"  the other classes (cosine, and the share of {report.known} known words farther away)"
        )
    for entry in report.others[:top]:
        mark = "  likely to be confused" if entry.likely else ""
        lines.append(f"    {entry.name:<24} {entry.cosine:5.2f} {entry.share:6.1%}{mark}")
    return lines
