"""``ovseg explain``: which support regions decided a result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ovseg.cli import options
from ovseg.cli.common import one_line, say
from ovseg.cli.flags import flag, flags, takes_flags
from ovseg.cli.launch import set_up_process
from ovseg.cli.resolve import resolve
from ovseg.cli.segmenting import banked_vocabulary, load_segmenter, read_bank
from ovseg.errors import UsageError

__all__ = ["explain"]


@flags("Output")
class ExplainFlags(
    options.VerboseFlags,
    options.SetFlag,
    options.ComputeFlags,
    options.ImageSizeFlag,
    options.BankFlag,
    options.PresetFlag,
    options.BackgroundFlag,
    options.ClassFlags,
):
    """Flags of ``ovseg explain``."""

    output: Path | None = flag("Page to write.", "-o")
    photos: list[Path] = flag(
        "Folder in which the bank's support images are now. Repeatable.",
        default=[],
        panel="Bank and pool",
        metavar="FOLDER",
    )


@takes_flags
def explain(
    ctx: typer.Context, image: Annotated[Path, typer.Argument(help="The image.")], flags: ExplainFlags
) -> None:
    """Write a page that shows which support regions of a bank decided each region of an image.

    Point at a region, or click it, to see its nearest support regions with their similarities and those of
    the second best class. Support images are looked for at the path that the bank recorded and below
    --photos, and shown only if their hash is the recorded one.

    For example:

      ovseg explain photo.jpg --bank out.bank -o why.html
    """
    settings = resolve(ctx, flags, assignments=flags.assignments)
    set_up_process(verbose=flags.verbose, offline=flags.offline)
    used = read_bank(settings)
    if used is None:
        raise UsageError("no bank given: add --bank FILE.bank")
    if flags.output is None:
        raise UsageError("no page given: add -o PAGE.html")
    words = banked_vocabulary(settings, used)

    import numpy as np
    from PIL import Image

    from ovseg.images import load_image
    from ovseg.outputs.explain_page import write_explanation
    from ovseg.outputs.layer import label_layer
    from ovseg.outputs.overlay import display_size
    from ovseg.pipeline.explain import SupportPhotos, explain_image

    pixels = load_image(image).pixels
    segmenter = load_segmenter(settings, used, quiet=flags.quiet)
    regions, explained = explain_image(segmenter, pixels, words, SupportPhotos(used, flags.photos))
    height, width = display_size(pixels.shape[:2], smallest=480, largest=1024)
    shown = Image.fromarray(pixels).resize((width, height))
    labels = np.array([region.label for region in explained], np.uint8)[regions]
    layer = label_layer(labels, (height, width), line=1).convert("RGBA")
    shown.paste(layer, mask=layer)
    write_explanation(flags.output, image.name, np.asarray(shown), regions, explained)
    shown_photos = {
        (match.name, match.picture is None)
        for region in explained
        for match in (*region.support, *region.rivals)
    }
    lost = sum(absent for _, absent in shown_photos)
    if lost:
        say(
            f"{lost} of {len(shown_photos)} support images were not found: add --photos FOLDER, below which"
            " they have the names that the bank recorded",
            quiet=flags.quiet,
        )
    typer.echo(one_line(flags.output))
