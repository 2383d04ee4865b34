"""``ovseg names``: how the image-text encoder embeds a class name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ovseg.cli import options
from ovseg.cli.classes import chosen_vocabulary
from ovseg.cli.flags import flag, flags, takes_flags
from ovseg.cli.launch import say, set_up_process
from ovseg.cli.resolve import resolve
from ovseg.errors import UsageError

if TYPE_CHECKING:
    from ovseg.pipeline.name_report import NameReport

Queries = Annotated[
    list[str] | None,
    typer.Argument(
        help='Names, each as -c takes a class: "sofa" or "sofa=sofa,couch".',
        metavar="NAMES",
        show_default=False,
    ),
]


@flags("Output")
class NamesFlags(
    options.JsonFlag, options.QuietFlag, options.ComputeFlags, options.TextModelFlags, options.ClassFlags
):
    """Flags of ``ovseg names``."""

    top: int = flag("How many near words and classes to print.", default=8, min=1)


@takes_flags
def names(ctx: typer.Context, queries: Queries = None, *, flags: NamesFlags) -> None:
    """Show how the image-text encoder embeds names: near words, templates, attributes, likely confusions.

    The classes of -c, --classes-file or --vocabulary are those that the names are compared with; without them
    the names are compared with each other. A class is marked where it is nearer to the name than 99 % of some
    hundred everyday words: synonyms, negatives or a longer name can then keep the two apart.

    For example:

      ovseg names "sofa" -c "chair, bed, cushion, table"

      ovseg names "bat" "mouse" --vocabulary coco-object --json
    """
    from ovseg.vocabulary import parse_classes

    specs = parse_classes(queries or [])
    if not specs:
        raise UsageError('no names given: write ovseg names "sofa"')
    settings = resolve(ctx, flags)
    named = settings.classes or settings.classes_file or settings.vocabulary
    rivals = chosen_vocabulary(settings) if named else None
    set_up_process(verbose=0, offline=flags.offline)

    from ovseg.encoders.presets import LoadContext, Preset, choose_preset, preset_note
    from ovseg.pipeline.name_report import explain_names
    from ovseg.prompts import read_lines

    context = LoadContext.resolve(settings.device, settings.dtype, settings.cache_dir)
    card = choose_preset(settings.preset, settings.roles, role="image_text")
    say(preset_note(settings.preset, card), quiet=flags.quiet)
    encoder = Preset(card, context).image_text
    set_name = getattr(encoder, "templates", "")
    patterns = read_lines("templates", f"{set_name}.txt") if set_name else []
    reports = explain_names(specs, rivals, encoder, top=flags.top, templates=patterns)
    if flags.as_json:
        typer.echo(json.dumps([report.to_dict() for report in reports], indent=2))
        return
    for report in reports:
        typer.echo("\n".join(_lines(report, flags.top, len(patterns))))


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
