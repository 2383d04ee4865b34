"""``ovseg bank``: banks of prototypes, built from support images without training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ovseg.cli import diffusion_options as generate
from ovseg.cli.bank_files import export, info, merge, remove
from ovseg.cli.bank_options import BANK, RETRIEVAL, AddFlags, BuildFlags
from ovseg.cli.classes import named_vocabulary
from ovseg.cli.common import COMMAND_SETTINGS, ListingCommand
from ovseg.cli.config_merge import parse_assignment
from ovseg.cli.flags import takes_flags
from ovseg.cli.launch import load_encoders, say, set_up_process
from ovseg.errors import UsageError
from ovseg.overrides import overlay
from ovseg.plugin_settings import PluginSettings

if TYPE_CHECKING:
    from ovseg.pipeline.bank_build import BankBuild, BankBuildSpec
    from ovseg.support.config import BankConfig
    from ovseg.support.filters import PhotoFilter
    from ovseg.vocabulary import Vocabulary

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Banks of prototypes: build, look into, join, change.")


@takes_flags
def build(ctx: typer.Context, flags: BuildFlags) -> None:
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
    set_up_process(verbose=flags.verbose, offline=flags.offline)
    if flags.output is None:
        raise UsageError("no output given: add -o FILE.bank")
    spec = _build_spec(ctx, flags, flags.preset)

    from ovseg.pipeline.bank_builder import build_prototypes

    on_message = partial(say, quiet=flags.quiet)
    try:
        built = build_prototypes(spec, flags.output, overwrite=flags.overwrite, on_message=on_message)
    except KeyboardInterrupt:
        say(f"interrupted: what is done is in {flags.output}.work; the same command goes on from there")
        raise
    _finish(built, flags.output, flags)


@takes_flags
def add(
    ctx: typer.Context,
    bank: Annotated[Path, typer.Argument(help="The bank to add to.")],
    flags: AddFlags,
) -> None:
    """Add classes to a bank, or more support to classes that it has; into the same file unless -o is given.

    For example:

      ovseg bank add pets.bank -c "hamster" --source folder --support more/

      ovseg bank add pets.bank --source folder --support more/ -o larger.bank
    """
    set_up_process(verbose=flags.verbose, offline=flags.offline)
    from ovseg.prototypes import load_bank
    from ovseg.prototypes.edit import recorded

    base = load_bank(bank)
    made_by = recorded(base, "preset")
    spec = _build_spec(ctx, flags, flags.preset or (made_by[0] if len(made_by) == 1 else "auto"))

    from ovseg.pipeline.banks import add_classes

    output, on_message = flags.output or bank, partial(say, quiet=flags.quiet)
    built = add_classes(base, spec, output, overwrite=flags.overwrite, on_message=on_message)
    _finish(built, output, flags)


def _build_spec(ctx: typer.Context, flags: BuildFlags, preset: str) -> BankBuildSpec:
    """What the flags ask for; the encoders are loaded when all else is known to be in order."""
    chosen = _vocabulary(flags)
    config = replace(_config(flags), shots=_shots(ctx, flags))
    photo_filter = _photo_filter(flags)
    inputs, own = _source_inputs(flags), _plugin_settings(flags)

    from ovseg.encoders.context import LoadContext
    from ovseg.encoders.roles import ModelChoice
    from ovseg.pipeline.bank_build import BankBuildSpec
    from ovseg.pipeline.sources import known_source, open_source

    known_source(flags.source, **inputs)
    models = ModelChoice(options=own.encoder.queries())
    context = LoadContext.resolve(flags.device, flags.dtype, flags.cache_dir)
    encoders = load_encoders(preset, context, models=models, quiet=flags.quiet)
    settings = own.source.of(flags.source)
    source = open_source(flags.source, encoders, chosen.classes, settings, **inputs)
    return BankBuildSpec(
        chosen,
        source,
        encoders,
        config,
        photo_filter,
        source_settings={} if settings is None else asdict(settings),
    )


def _vocabulary(flags: BuildFlags) -> Vocabulary:
    """The classes that are named, or those of the folders."""
    named = flags.classes or flags.classes_file is not None or flags.vocabulary is not None
    if flags.support and flags.source == "folder" and not named:
        from ovseg.support.folder import class_folders
        from ovseg.vocabulary import ClassSpec, Vocabulary

        names = [folder.name.replace("_", " ").strip() for folder in class_folders(flags.support)]
        return Vocabulary(tuple(map(ClassSpec, names)), source="support folders")
    return named_vocabulary(flags.classes, flags.classes_file, flags.vocabulary)


def _config(flags: BuildFlags) -> BankConfig:
    """Settings from the flags of a command; ``--set`` goes last."""
    config = replace(
        BANK,
        shots=flags.shots,
        encoding=replace(BANK.encoding, image_size=flags.image_size),
        support=replace(BANK.support, cosegment=flags.cosegment),
        prototypes=replace(
            BANK.prototypes,
            background=flags.around,
            parts=flags.parts,
            clean=flags.clean,
            seed=flags.seed,
        ),
    )
    for table in _assigned(flags, plugins=False):
        config = overlay(config, table, "--set")
    return config


@dataclass(frozen=True)
class _PluginSettings:
    """What ``--set`` takes beside the settings of the bank."""

    encoder: PluginSettings = field(default_factory=partial(PluginSettings, "encoder"))
    source: PluginSettings = field(default_factory=partial(PluginSettings, "source"))


def _plugin_settings(flags: BuildFlags) -> _PluginSettings:
    """Settings that encoders and sources declare, from ``--set``."""
    settings = _PluginSettings()
    for table in _assigned(flags, plugins=True):
        settings = overlay(settings, table, "--set")
    return settings


def _assigned(flags: BuildFlags, *, plugins: bool) -> list[dict[str, Any]]:
    """Values of ``--set``: those of plug-ins, or the others."""
    tables = [parse_assignment(text) for text in flags.assignments]
    return [table for table in tables if plugins != {"encoder", "source"}.isdisjoint(table)]


def _shots(ctx: typer.Context, flags: BuildFlags) -> int:
    """As asked for, or as many as the source has by default."""
    origin = ctx.get_parameter_source("shots")
    left_out = origin is None or origin.name == "DEFAULT"
    return generate.DEFAULT.shots if left_out and flags.source == "diffusion" else flags.shots


def _source_inputs(flags: BuildFlags) -> dict[str, Any]:
    """What flags give to sources; each takes its part."""
    return {
        "support": flags.support,
        "pool": flags.pool,
        "photos": flags.photos or None,
        "config": replace(RETRIEVAL, margin=flags.retrieval_margin),
        "diffusion": generate.diffusion_config(vars(flags)),
        "generated": flags.generated,
        "on_message": partial(say, quiet=flags.quiet),
    }


def _photo_filter(flags: BuildFlags) -> PhotoFilter:
    from ovseg.support.filters import PhotoFilter, read_list

    return PhotoFilter(read_list(flags.allow), read_list(flags.deny))


def _finish(built: BankBuild, out: Path, flags: BuildFlags) -> None:
    """Say how it went, print the result, and end with exit code 3 where a class got nothing."""
    from ovseg.pipeline.bank_builder import sheets_folder

    if built.resumed:
        say(f"{built.resumed} of {len(built.reports)} classes were done already", quiet=flags.quiet)
    if built.unsupported:
        say(f"no support for {', '.join(built.unsupported)}", quiet=flags.quiet)
    index = sheets_folder(out) / "index.html"
    if index.is_file():
        say(f"what was found in each picture: {index}", quiet=flags.quiet)
    if flags.as_json:
        import json

        reports = [report.to_json() for report in built.reports]
        result = {"bank": str(out), "classes": reports, "unsupported": list(built.unsupported)}
        typer.echo(json.dumps(result | {"sheets": str(sheets_folder(out))}))
    else:
        typer.echo(str(out))
    raise typer.Exit(3 if built.unsupported else 0)


app.command("build", cls=ListingCommand, context_settings=COMMAND_SETTINGS)(build)
app.command("info", context_settings=COMMAND_SETTINGS)(info)
app.command("merge", context_settings=COMMAND_SETTINGS)(merge)
app.command("add", cls=ListingCommand, context_settings=COMMAND_SETTINGS)(add)
app.command("remove", context_settings=COMMAND_SETTINGS)(remove)
app.command("export", context_settings=COMMAND_SETTINGS)(export)
