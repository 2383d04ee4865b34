"""``ovseg bank``: banks of prototypes, built from support images without training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ovseg.cli import bank_options as flags
from ovseg.cli import diffusion_options as generate
from ovseg.cli import options
from ovseg.cli.bank_files import export, info, merge, remove
from ovseg.cli.classes import chosen_vocabulary
from ovseg.cli.common import COMMAND_SETTINGS, option
from ovseg.cli.launch import say, set_up_process
from ovseg.cli.overlay import overlay, parse_assignment
from ovseg.cli.settings import DEFAULTS
from ovseg.errors import UsageError
from ovseg.support.config import BankConfig

if TYPE_CHECKING:
    from ovseg.encoders.presets import Encoders
    from ovseg.pipeline.bank_report import BankBuild
    from ovseg.support.listed import Listed
    from ovseg.vocabulary import Vocabulary

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Banks of prototypes: build, look into, join, change.")

_DEFAULT = BankConfig()
_NONE: list[str] = []
_NO_PATHS: list[Path] = []


def build(
    ctx: typer.Context,
    output: flags.Output = None,
    classes: options.Classes = _NONE,
    classes_file: options.ClassesFile = None,
    vocabulary: options.VocabularyName = None,
    source: flags.Source = "folder",
    support: flags.Support = None,
    pool: flags.Pool = None,
    photos: flags.Photos = _NO_PATHS,
    retrieval_margin: flags.RetrievalMargin = flags.MARGIN,
    shots: flags.Shots = _DEFAULT.shots,
    model: generate.Model = generate.DEFAULT.model,
    revision: generate.Revision = generate.DEFAULT.revision,
    layout: generate.Layout = generate.DEFAULT.layout,
    licence: generate.Licence = generate.DEFAULT.licence,
    steps: generate.Steps = generate.DEFAULT.steps,
    guidance: generate.Guidance = generate.DEFAULT.guidance,
    scheduler: generate.Scheduler = generate.DEFAULT.scheduler,
    size: generate.Size = generate.DEFAULT.size,
    generate_batch: generate.GenerateBatch = generate.DEFAULT.batch_size,
    first_seed: generate.FirstSeed = generate.DEFAULT.seed,
    prompts: generate.Prompts = generate.DEFAULT.prompts,
    attributes: generate.Attributes = generate.DEFAULT.attributes,
    attribution: generate.Attribution = generate.DEFAULT.attribution,
    margin: generate.Margin = generate.DEFAULT.margin,
    draws: generate.Draws = generate.DEFAULT.draws,
    generated: generate.Generated = None,
    allow: flags.Allow = None,
    deny: flags.Deny = None,
    cosegment: flags.Cosegment = _DEFAULT.support.cosegment,
    around: flags.Around = _DEFAULT.prototypes.background,
    parts: flags.Parts = _DEFAULT.prototypes.parts,
    clean: flags.Clean = _DEFAULT.prototypes.clean,
    seed: options.Seed = _DEFAULT.prototypes.seed,
    assignments: Annotated[list[str], options.setting("prototypes.merge=1.0 or support.text=0.3")] = _NONE,
    overwrite: flags.Overwrite = False,
    preset: options.Preset = DEFAULTS.preset,
    image_size: options.ImageSize = _DEFAULT.image_size,
    device: options.Device = DEFAULTS.device,
    dtype: options.Dtype = DEFAULTS.dtype,
    cache_dir: options.CacheDir = DEFAULTS.cache_dir,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    as_json: options.Json = False,
) -> None:
    """Build a bank: support images of each class, its regions in them, prototypes, one file.

    Nothing is trained. A line a class says what was found and what was rejected, and why; FILE.sheets/ has a
    page of pictures for each. The same command goes on where it was stopped. Exit code 3: the bank is
    written, but a class got no support image.

    With --source folder and no classes, the names of the folders are the classes.

    For example:

      ovseg bank build --source folder --support support/ -o pets.bank

      ovseg bank build -c "cat, sofa=sofa,couch" --source folder --support support/ -o pets.bank

      ovseg bank build -c "cat, dog" --source diffusion --model sd15/ -o pets.bank

      ovseg bank build -c "cat, dog" --source retrieval --pool photos.pool -o pets.bank

      ovseg bank build -c "cat, unicorn" --source auto --pool photos.pool --model sd15/ -o pets.bank
    """
    set_up_process(verbose=verbose, offline=offline)
    if output is None:
        raise UsageError("no output given: add -o FILE.bank")
    chosen = _vocabulary(classes, classes_file, vocabulary, source, support)
    config = replace(_config(ctx.params), shots=_shots(ctx))
    listed = _listed(allow, deny)
    encoders = _encoders(preset, device, dtype, cache_dir, quiet=quiet)

    from ovseg.pipeline.bank_builder import build_prototypes
    from ovseg.pipeline.sources import open_source

    opened = open_source(source, encoders, chosen.classes, **_source_settings(ctx.params, quiet=quiet))
    try:
        built = build_prototypes(
            chosen,
            opened,
            encoders,
            output,
            config,
            listed=listed,
            overwrite=overwrite,
            tell=lambda line: say(line, quiet=quiet),
        )
    except KeyboardInterrupt:
        say(f"interrupted: what is done is in {output}.work; the same command goes on from there")
        raise
    _finish(built, output, quiet=quiet, as_json=as_json)


def add(
    ctx: typer.Context,
    bank: Annotated[Path, typer.Argument(help="The bank to add to.")],
    output: flags.Output = None,
    classes: options.Classes = _NONE,
    classes_file: options.ClassesFile = None,
    vocabulary: options.VocabularyName = None,
    source: flags.Source = "folder",
    support: flags.Support = None,
    pool: flags.Pool = None,
    photos: flags.Photos = _NO_PATHS,
    retrieval_margin: flags.RetrievalMargin = flags.MARGIN,
    shots: flags.Shots = _DEFAULT.shots,
    model: generate.Model = generate.DEFAULT.model,
    revision: generate.Revision = generate.DEFAULT.revision,
    layout: generate.Layout = generate.DEFAULT.layout,
    licence: generate.Licence = generate.DEFAULT.licence,
    steps: generate.Steps = generate.DEFAULT.steps,
    guidance: generate.Guidance = generate.DEFAULT.guidance,
    scheduler: generate.Scheduler = generate.DEFAULT.scheduler,
    size: generate.Size = generate.DEFAULT.size,
    generate_batch: generate.GenerateBatch = generate.DEFAULT.batch_size,
    first_seed: generate.FirstSeed = generate.DEFAULT.seed,
    prompts: generate.Prompts = generate.DEFAULT.prompts,
    attributes: generate.Attributes = generate.DEFAULT.attributes,
    attribution: generate.Attribution = generate.DEFAULT.attribution,
    margin: generate.Margin = generate.DEFAULT.margin,
    draws: generate.Draws = generate.DEFAULT.draws,
    generated: generate.Generated = None,
    allow: flags.Allow = None,
    deny: flags.Deny = None,
    cosegment: flags.Cosegment = _DEFAULT.support.cosegment,
    around: flags.Around = _DEFAULT.prototypes.background,
    parts: flags.Parts = _DEFAULT.prototypes.parts,
    clean: flags.Clean = _DEFAULT.prototypes.clean,
    seed: options.Seed = _DEFAULT.prototypes.seed,
    assignments: Annotated[list[str], options.setting("prototypes.merge=1.0 or support.text=0.3")] = _NONE,
    overwrite: flags.Overwrite = False,
    preset: Annotated[
        str | None,
        option("--preset", help="Which encoders. Default: those that made the bank.", show_default=False),
    ] = None,
    image_size: options.ImageSize = _DEFAULT.image_size,
    device: options.Device = DEFAULTS.device,
    dtype: options.Dtype = DEFAULTS.dtype,
    cache_dir: options.CacheDir = DEFAULTS.cache_dir,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    as_json: options.Json = False,
) -> None:
    """Add classes to a bank, or more support to classes that it has; into the same file unless -o is given.

    For example:

      ovseg bank add pets.bank -c "hamster" --source folder --support more/

      ovseg bank add pets.bank --source folder --support more/ -o larger.bank
    """
    set_up_process(verbose=verbose, offline=offline)
    from ovseg.prototypes import load_bank

    made_by = load_bank(bank).facts.get("preset")
    chosen = _vocabulary(classes, classes_file, vocabulary, source, support)
    config = replace(_config(ctx.params), shots=_shots(ctx))
    listed = _listed(allow, deny)
    encoders = _encoders(preset or str(made_by or "auto"), device, dtype, cache_dir, quiet=quiet)

    from ovseg.pipeline.banks import add_classes
    from ovseg.pipeline.sources import open_source

    built = add_classes(
        bank,
        chosen,
        open_source(source, encoders, chosen.classes, **_source_settings(ctx.params, quiet=quiet)),
        encoders,
        output or bank,
        config,
        listed=listed,
        overwrite=overwrite,
        tell=lambda line: say(line, quiet=quiet),
    )
    _finish(built, output or bank, quiet=quiet, as_json=as_json)


def _vocabulary(
    classes: list[str],
    classes_file: str | None,
    vocabulary: str | None,
    source: str,
    support: Path | None,
) -> Vocabulary:
    """The classes that are named, or those of the folders."""
    if not classes and classes_file is None and vocabulary is None and source == "folder" and support:
        from ovseg.support.folder import class_folders
        from ovseg.vocabulary import ClassSpec, Vocabulary

        names = [folder.name.replace("_", " ").strip() for folder in class_folders(support)]
        return Vocabulary(tuple(map(ClassSpec, names)), source="support folders")
    return chosen_vocabulary(
        replace(DEFAULTS, classes=tuple(classes), classes_file=classes_file, vocabulary=vocabulary)
    )


def _config(given: dict[str, Any]) -> BankConfig:
    """Settings from the flags of a command; ``--set`` goes last."""
    config = replace(
        _DEFAULT,
        shots=given["shots"],
        image_size=given["image_size"],
        support=replace(_DEFAULT.support, cosegment=given["cosegment"]),
        prototypes=replace(
            _DEFAULT.prototypes,
            background=given["around"],
            parts=given["parts"],
            clean=given["clean"],
            seed=given["seed"],
        ),
    )
    for text in given["assignments"]:
        config = overlay(config, parse_assignment(text), "--set")
    return config


def _shots(ctx: typer.Context) -> int:
    """As asked for, or as many as the source has by default."""
    origin = ctx.get_parameter_source("shots")
    left_out = origin is None or origin.name == "DEFAULT"
    generated = left_out and ctx.params["source"] == "diffusion"
    return generate.DEFAULT.shots if generated else int(ctx.params["shots"])


def _source_settings(given: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """What the source in question takes, from the flags of a command."""
    retrieval = {
        "pool": given["pool"],
        "photos": given["photos"] or None,
        "config": replace(flags.RETRIEVAL, margin=given["retrieval_margin"]),
    }
    generation = {
        "diffusion": generate.diffusion_config(given),
        "generated": given["generated"],
        "tell": lambda line: say(line, quiet=quiet),
    }
    by_source: dict[str, dict[str, Any]] = {
        "retrieval": retrieval,
        "diffusion": generation,
        "auto": retrieval | generation,
    }
    return by_source.get(given["source"], {"support": given["support"]})


def _listed(allow: Path | None, deny: Path | None) -> Listed:
    from ovseg.support.listed import Listed, read_list

    return Listed(read_list(allow), read_list(deny))


def _encoders(preset: str, device: str, dtype: str, cache_dir: str | None, *, quiet: bool) -> Encoders:
    from ovseg.device import resolve_device, resolve_dtype
    from ovseg.encoders.presets import choose_preset, load_preset, preset_note

    place = resolve_device(device)
    card = choose_preset(preset)
    say(preset_note(preset, card), quiet=quiet)
    cache = Path(cache_dir) if cache_dir else None
    return load_preset(card.name, device=place, dtype=resolve_dtype(dtype, place), cache_dir=cache)


def _finish(built: BankBuild, out: Path, *, quiet: bool, as_json: bool) -> None:
    """Say how it went, print the result, and end with exit code 3 where a class got nothing."""
    from ovseg.pipeline.bank_builder import sheets_folder

    if built.resumed:
        say(f"{built.resumed} of {len(built.reports)} classes were done already", quiet=quiet)
    if built.unsupported:
        say(f"no support for {', '.join(built.unsupported)}", quiet=quiet)
    if as_json:
        import json

        reports = [report.to_json() for report in built.reports]
        result = {"bank": str(out), "classes": reports, "unsupported": list(built.unsupported)}
        typer.echo(json.dumps(result | {"sheets": str(sheets_folder(out))}))
    else:
        typer.echo(str(out))
    raise typer.Exit(3 if built.unsupported else 0)


app.command("build", context_settings=COMMAND_SETTINGS)(build)
app.command("info", context_settings=COMMAND_SETTINGS)(info)
app.command("merge", context_settings=COMMAND_SETTINGS)(merge)
app.command("add", context_settings=COMMAND_SETTINGS)(add)
app.command("remove", context_settings=COMMAND_SETTINGS)(remove)
app.command("export", context_settings=COMMAND_SETTINGS)(export)
