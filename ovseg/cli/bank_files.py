"""``ovseg bank info``, ``merge``, ``remove`` and ``export``, which need no encoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ovseg.cli import options
from ovseg.cli.bank_options import BANK, BankFileFlags, CleanFlag
from ovseg.cli.common import counted, one_line
from ovseg.cli.flags import configured, flag, flags, takes_flags
from ovseg.errors import OutputError, UsageError

__all__ = ["export", "info", "merge", "remove"]

_SHOWN = 60
"""Classes up to which each has a line."""

BankFile = Annotated[Path, typer.Argument(help="A bank file.", show_default=False)]


@flags("Output")
class MergeFlags(BankFileFlags, CleanFlag):
    """Flags of ``ovseg bank merge``."""


@flags("Classes")
class RemoveFlags(BankFileFlags):
    """Flags of ``ovseg bank remove``."""

    classes: str = flag(
        "Names or synonyms of the classes to remove, between commas.", "-c", metavar="NAMES", required=True
    )
    output: Path | None = flag("Bank to write. Default: the same file.", "-o", panel="Output")


@flags("Output")
class ExportFlags(BankFileFlags):
    """Flags of ``ovseg bank export``."""

    output: Path | None = flag("Folder to write.", "-o", metavar="FOLDER")
    photos: list[Path] = flag(
        "Folder in which support images are looked for by their names and hashes, to be shown on the page."
        " Repeatable.",
        default=[],
        panel="Input",
        metavar="FOLDER",
    )


@takes_flags
def info(bank: BankFile, flags: options.JsonFlag) -> None:
    """Print what is in a bank: classes, prototypes, encoders, support images and their licences.

    For example:

      ovseg bank info pets.bank
    """
    from ovseg.prototypes import load_bank
    from ovseg.prototypes.describe import describe_bank
    from ovseg.prototypes.edit import recorded

    loaded = load_bank(bank)
    about = describe_bank(loaded)
    if flags.as_json:
        typer.echo(json.dumps(about))
        return
    classes = counted(len(about["classes"]), "class", "classes")
    typer.echo(one_line(f"{bank}: {classes}, {bank.stat().st_size / 1e6:.2f} MB"))
    for space in about["spaces"]:
        kinds = ", ".join(f"{count} {kind}" for kind, count in space["kinds"].items())
        typer.echo(
            one_line(
                f"space {space['space']}: {space['prototypes']} prototypes of {space['length']} numbers"
                f" ({space['foreground']} of classes, {space['background']} around them; {kinds}), by"
                f" {space['encoder']}"
            )
        )
    for title in ("sources", "licences"):
        counts = ", ".join(f"{name}: {count}" for name, count in about[title].items())
        typer.echo(one_line(f"support images by {title[:-1]}: {counts or 'none'}"))
    versions, presets = (", ".join(recorded(loaded, key)) or "?" for key in ("ovseg", "preset"))
    parts = about["facts"].get("merged")
    joined = f", {len(parts)} banks merged" if isinstance(parts, list) else ""
    typer.echo(one_line(f"made by ovseg {versions}, preset {presets}{joined}"))
    for entry in about["classes"][:_SHOWN]:
        typer.echo(
            one_line(
                f"  {entry['id'] + 1:>4}  {entry['name']}: {counted(entry['supports'], 'support image')},"
                f" {entry['foreground']} prototypes, {entry['background']} around"
            )
        )
    if len(about["classes"]) > _SHOWN:
        typer.echo(f"  … and {len(about['classes']) - _SHOWN} more (--json lists all)")


@takes_flags
def merge(
    banks: Annotated[list[Path], typer.Argument(help="Bank files, two or more.", show_default=False)],
    flags: MergeFlags,
) -> None:
    """Merge banks into one; classes of the same name become one.

    Banks of different encoders can be merged if their feature spaces have different names.

    For example:

      ovseg bank merge pets.bank street.bank -o both.bank
    """
    from ovseg.prototypes import load_bank, merge_banks, save_bank

    if len(banks) < 2:
        raise UsageError("merge takes two banks or more")
    out, clean = _free(flags), configured(flags, BANK).prototypes.clean
    save_bank(merge_banks([load_bank(path) for path in banks], clean=clean), out)
    typer.echo(str(out))


@takes_flags
def remove(bank: BankFile, flags: RemoveFlags) -> None:
    """Remove classes from a bank, with their support images.

    Background prototypes that were dropped for their similarity to a removed class do not come back.

    For example:

      ovseg bank remove pets.bank --classes "hamster, goldfish"
    """
    from ovseg.prototypes import load_bank, save_bank, without_classes

    names = [" ".join(name.split()) for name in flags.classes.split(",") if name.strip()]
    if not names:
        raise UsageError("no classes given: name them with --classes")
    out = bank if flags.output is None else _free(flags)
    save_bank(without_classes(load_bank(bank), names), out)
    typer.echo(str(out))


@takes_flags
def export(bank: BankFile, flags: ExportFlags) -> None:
    """Export a bank as bank.npz, bank.json and support.html, a page of its support images.

    For example:

      ovseg bank export pets.bank -o pets/ --photos support/
    """
    from ovseg.outputs.bank_export import EXPORTS, export_bank
    from ovseg.prototypes import load_bank

    output = flags.output
    if output is None:
        raise UsageError("no output folder given: add -o FOLDER")
    there = [name for name in EXPORTS if (output / name).exists()]
    if there and not flags.overwrite:
        raise OutputError(f"{output / there[0]} is there already: give another folder, or add --overwrite")
    export_bank(load_bank(bank), output, flags.photos)
    typer.echo(str(output))


def _free(flags: BankFileFlags) -> Path:
    """The file to write, which may exist only if it may be replaced."""
    output = flags.output
    if output is None:
        raise UsageError("no output given: add -o FILE.bank")
    if output.exists() and not flags.overwrite:
        raise OutputError(f"{output} is there already: give another file, or add --overwrite")
    return output
