"""``ovseg explain``: which support regions decided a result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ovseg.cli import options
from ovseg.cli.common import one_line, option, say
from ovseg.cli.launch import set_up_process
from ovseg.cli.segmenting import banked_vocabulary, load_segmenter, read_bank
from ovseg.cli.settings import DEFAULTS, resolve
from ovseg.errors import UsageError

__all__ = ["explain"]

_NONE: list[str] = []
_NO_PATHS: list[Path] = []


def explain(
    ctx: typer.Context,
    image: Annotated[Path, typer.Argument(help="The image.")],
    bank: options.Bank = None,
    output: Annotated[Path | None, option("--output", "-o", help="Page to write.")] = None,
    photos: Annotated[
        list[Path],
        option("--photos", help="Folder where the bank's photos lie now. Repeatable."),
    ] = _NO_PATHS,
    classes: options.Classes = _NONE,
    classes_file: options.ClassesFile = DEFAULTS.classes_file,
    vocabulary: options.VocabularyName = DEFAULTS.vocabulary,
    background: options.Background = DEFAULTS.background,
    preset: options.Preset = DEFAULTS.preset,
    image_size: options.ImageSize = DEFAULTS.segment.encoding.image_size,
    device: options.Device = DEFAULTS.device,
    dtype: options.Dtype = DEFAULTS.dtype,
    cache_dir: options.CacheDir = DEFAULTS.cache_dir,
    offline: options.Offline = False,
    assignments: options.Assignments = _NONE,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Write a page that shows which support regions of a bank decided each region of an image.

    Point at a region, or click it: its support regions with their similarities, and the class that came
    second. Photos are found by the path that the bank recorded or below --photos, and only if their hash is
    the recorded one.

    For example:

      ovseg explain photo.jpg --bank out.bank -o why.html
    """
    settings = resolve(ctx, config=None, assignments=assignments)
    set_up_process(verbose=verbose, offline=offline)
    used = read_bank(settings)
    if used is None:
        raise UsageError("no bank given: add --bank FILE.bank")
    if output is None:
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
    segmenter = load_segmenter(settings, used, quiet=quiet)
    regions, explained = explain_image(segmenter, pixels, words, SupportPhotos(used, photos))
    height, width = display_size(pixels.shape[:2], smallest=480, largest=1024)
    shown = Image.fromarray(pixels).resize((width, height))
    labels = np.array([region.label for region in explained], np.uint8)[regions]
    layer = label_layer(labels, (height, width), line=1).convert("RGBA")
    shown.paste(layer, mask=layer)
    write_explanation(output, image.name, np.asarray(shown), regions, explained)
    shown_photos = {
        (match.name, match.picture is None)
        for region in explained
        for match in (*region.support, *region.rivals)
    }
    lost = sum(absent for _, absent in shown_photos)
    if lost:
        say(
            f"{lost} of {len(shown_photos)} support photos were not found: add --photos FOLDER, below which"
            " they have the names that the bank knows",
            quiet=quiet,
        )
    typer.echo(one_line(output))
