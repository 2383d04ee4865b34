"""``ovseg models``: weights on record, and whether they are here."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ovseg.cli.common import COMMAND_SETTINGS

app = typer.Typer(
    no_args_is_help=True, help="Presets and weights: source, licence, hash, size, whether present."
)


@app.command("list", context_settings=COMMAND_SETTINGS)
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every weights file that a preset can use, and every preset.

    Nothing is downloaded, loaded or imported: a file is present when the package that ships it is installed.
    Hashes are checked when weights are loaded (and by ovseg doctor).

    For example:

      ovseg models list

      ovseg models list --json
    """
    from ovseg.encoders.presets import PRESETS
    from ovseg.weights import list_weights

    weights = list_weights()
    presets = [card for _, card in PRESETS]
    if as_json:
        rows = [asdict(row) | {"present": row.present, "path": str(row.path or "")} for row in weights]
        table = {
            "presets": [
                {
                    "name": card.name,
                    "summary": card.summary,
                    "present": card.present,
                    "weights": [weight.name for weight in card.cards],
                }
                for card in presets
            ],
            "weights": rows,
        }
        typer.echo(json.dumps(table, indent=2))
        return
    typer.echo("Presets, best first (--preset auto takes the first that is present)\n")
    for card in presets:
        typer.echo(f"  {card.name:<12} {_presence(card.present):<8} {card.summary}")
    typer.echo("\nWeights\n")
    for row in weights:
        typer.echo(
            f"  {row.name:<28} {_presence(row.present):<8} {(row.size_bytes or 0) / 1e6:6.1f} MB  {row.what}"
        )
        typer.echo(f"      {row.source}, {row.file}")
        typer.echo(f"      licence {row.licence}; SHA-256 {row.sha256}")
        if not row.present:
            typer.echo(f"      get it: {row.install}")


def _presence(present: bool) -> str:
    return "present" if present else "missing"
