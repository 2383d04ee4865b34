"""``ovseg support``: support images, before a bank is built from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ovseg.cli import options
from ovseg.cli.classes import named_vocabulary
from ovseg.cli.common import one_line
from ovseg.cli.diffusion_options import DIFFUSION, DiffusionFlags, GenerateDtypeFlag
from ovseg.cli.flags import configured, flag, flags, setting, takes_flags
from ovseg.cli.help import Application
from ovseg.cli.launch import say, set_up_process
from ovseg.errors import UsageError

if TYPE_CHECKING:
    from ovseg.support.diffusion.source import DiffusionSource, Drawn
    from ovseg.vocabulary import Vocabulary

__all__ = ["app"]

app = Application(help="Generate support images and look at them.")


@app.callback()
def _root() -> None:
    """Generate support images and look at them."""


@flags("Image generation")
class SampleFlags(
    options.ReportFlags,
    options.OfflineFlag,
    options.DeviceFlags,
    GenerateDtypeFlag,
    DiffusionFlags,
    options.PresetFlag,
    options.ClassFlags,
):
    """Flags of ``ovseg support sample``."""

    output: Path | None = flag("Folder of images and contact sheets.", "-o", panel="Output", metavar="FOLDER")
    shots: int = setting("shots", "Images per class.", of=DIFFUSION)
    check: bool = flag(
        "Replace images that do not show their class (see --margin).", "--check/--no-check", default=True
    )


@app.command("sample")
@takes_flags
def sample(flags: SampleFlags) -> None:
    """Generate images of each class with a text-to-image model, and one contact sheet per class.

    Each image is kept with its prompt, seed, model and licence beside it; the same command resumes where it
    was stopped. Images that do not show their class are replaced by those of the next seeds. selection.json
    says what was kept, what was rejected, and why. Exit code 3: no image of a class was kept.

    For example:

      ovseg support sample -c "cat, dog" --model sd15/ --shots 8 -o pictures
    """
    set_up_process(verbose=flags.verbose, offline=flags.offline)
    output = flags.output
    if output is None:
        raise UsageError("no output folder given: add -o FOLDER")
    chosen = named_vocabulary(flags.classes, flags.classes_file, flags.vocabulary)
    config = configured(flags, DIFFUSION)

    from ovseg.encoders.presets import LoadContext, open_preset
    from ovseg.support.diffusion.source import open_diffusion

    context = LoadContext.resolve(flags.device, "auto", flags.cache_dir)
    encoders = None
    if flags.check and flags.margin is not None:
        encoders = open_preset(flags.preset, context, role="image_text").load("image_text")
    source = open_diffusion(
        config,
        encoders,
        chosen.classes,
        output,
        device=context.device,
        on_message=lambda line: say(line, quiet=flags.quiet),
    )
    summary = _draw(source, chosen, output)
    _print(summary, output, as_json=flags.as_json)
    raise typer.Exit(0 if all(entry["kept"] for entry in summary["classes"]) else 3)


def _draw(source: DiffusionSource, vocabulary: Vocabulary, out: Path) -> dict[str, Any]:
    from ovseg.files import write_json

    entries = []
    for number, spec in enumerate(vocabulary.classes, start=1):
        drawn = source.draw(spec, source.config.shots)
        sheet = f"sheets/{number:04}.png"
        _write_sheet(out / sheet, drawn)
        entries.append(
            {
                "name": spec.name,
                "kept": sum(one.rejected is None for one in drawn),
                "sheet": sheet,
                "pictures": [one.to_dict() for one in drawn],
            }
        )
        # Written anew after each class, so that what is there is always told.
        write_json(out / "selection.json", source.describe() | {"classes": entries})
    return {"made": source.made, "classes": entries}


def _write_sheet(path: Path, drawn: list[Drawn]) -> None:
    from ovseg.files import atomic_path
    from ovseg.support.diffusion.sheet import contact_sheet

    with atomic_path(path) as temporary:
        contact_sheet(drawn).save(temporary, "PNG")


def _print(summary: dict[str, Any], out: Path, *, as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps(summary))
        return
    for entry in summary["classes"]:
        typer.echo(one_line(f"{entry['name']}: {out / entry['sheet']}"))
