"""``ovseg support``: support images before any bank is built of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ovseg.cli import diffusion_options as generate
from ovseg.cli import options
from ovseg.cli.classes import named_vocabulary
from ovseg.cli.common import COMMAND_SETTINGS, one_line, option
from ovseg.cli.launch import say, set_up_process
from ovseg.cli.settings import DEFAULTS
from ovseg.errors import UsageError

if TYPE_CHECKING:
    from ovseg.support.diffusion.source import DiffusionSource, Drawn
    from ovseg.vocabulary import Vocabulary

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Support images: generate and look at them.")

_NONE: list[str] = []


@app.callback()
def _root() -> None:
    """Support images: generate and look at them."""


@app.command("sample", context_settings=COMMAND_SETTINGS)
def sample(
    ctx: typer.Context,
    output: Annotated[Path | None, option("--output", "-o", help="Folder of pictures and sheets.")] = None,
    classes: options.Classes = _NONE,
    classes_file: options.ClassesFile = None,
    vocabulary: options.VocabularyName = None,
    model: generate.Model = generate.DEFAULT.model,
    revision: generate.Revision = generate.DEFAULT.revision,
    layout: generate.Layout = generate.DEFAULT.layout,
    licence: generate.Licence = generate.DEFAULT.licence,
    shots: Annotated[int, option("--shots", help="Pictures a class.")] = generate.DEFAULT.shots,
    steps: generate.Steps = generate.DEFAULT.steps,
    guidance: generate.Guidance = generate.DEFAULT.guidance,
    scheduler: generate.Scheduler = generate.DEFAULT.scheduler,
    size: generate.Size = generate.DEFAULT.size,
    generate_batch: generate.GenerateBatch = generate.DEFAULT.batch_size,
    first_seed: generate.FirstSeed = generate.DEFAULT.seed,
    prompts: generate.Prompts = generate.DEFAULT.prompts,
    attributes: generate.Attributes = generate.DEFAULT.attributes,
    attribution: generate.Attribution = generate.DEFAULT.attribution,
    check: Annotated[
        bool,
        option("--check/--no-check", help="Whether pictures that do not show their class are replaced."),
    ] = True,
    margin: generate.Margin = generate.DEFAULT.margin,
    draws: generate.Draws = generate.DEFAULT.draws,
    preset: options.Preset = DEFAULTS.preset,
    device: options.Device = DEFAULTS.device,
    generate_dtype: Annotated[
        str, option("--dtype", help="auto (float16 on CUDA, else float32), float32, bfloat16 or float16.")
    ] = generate.DEFAULT.dtype,
    cache_dir: options.CacheDir = DEFAULTS.cache_dir,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    as_json: options.Json = False,
) -> None:
    """Generate pictures of each class with a text-to-image model, and a contact sheet a class.

    Each picture is kept at once with its prompt, seed, model and licence beside it; the same command goes on
    where it was stopped. Pictures that do not show their class are replaced by the next seed's.
    selection.json says what was kept, what was rejected, and why. Exit code 3: a class got no picture.

    For example:

      ovseg support sample -c "cat, dog" --model sd15/ --shots 8 -o pictures
    """
    set_up_process(verbose=verbose, offline=offline)
    if output is None:
        raise UsageError("no output folder given: add -o FOLDER")
    chosen = named_vocabulary(classes, classes_file, vocabulary)
    config = generate.diffusion_config(ctx.params)

    from ovseg.encoders.presets import LoadContext, open_preset
    from ovseg.support.diffusion.source import open_diffusion

    context = LoadContext.resolve(device, "auto", cache_dir)
    encoders = None
    if check and margin is not None:
        encoders = open_preset(preset, context, role="image_text").load("image_text")
    source = open_diffusion(
        config,
        encoders,
        chosen.classes,
        output,
        device=context.device,
        on_message=lambda line: say(line, quiet=quiet),
    )
    summary = _draw(source, chosen, output)
    _print(summary, output, as_json=as_json)
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
