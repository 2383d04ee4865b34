"""``ovseg doctor``: what is there, what is missing, and how to mend it."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Annotated, Literal

import typer

from ovseg.cli import options
from ovseg.cli.common import echo, option
from ovseg.version import __version__

State = Literal["ok", "note", "problem"]

_REQUIRED = (
    "torch",
    "numpy",
    "scipy",
    "pillow",
    "scikit-image",
    "scikit-learn",
    "open_clip_torch",
    "timm",
    "onnx",
)
_EXTRAS = {"faiss": "cpu", "diffusers": "diffusion"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        state: ``ok``; ``note``: something optional is missing; ``problem``: the main job will not run.
        topic: What was looked at.
        text: What was found.
        mend: What to do about it, empty where nothing is to be done.
    """

    state: State
    topic: str
    text: str
    mend: str = ""


def doctor(
    check_hashes: Annotated[
        bool, option("--check-hashes", help="Also read every weights file and compare its SHA-256.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Say what this installation has, and what to do about what it lacks.

    Looks at versions, the device, weights, the cache and optional packages. Ends with exit code 1 when
    something is missing that the main job needs.

    For example:

      ovseg doctor

      ovseg doctor --check-hashes --json
    """
    findings = [*_versions(), *_device(), *_weights(check_hashes), *_cache(), *_extras(), *_plugins()]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        colours = {"ok": "green", "note": "yellow", "problem": "red"}
        for finding in findings:
            mark = typer.style(f"{finding.state:<8}", fg=colours[finding.state])
            echo(f"{mark} {finding.topic:<14} {finding.text}")
            if finding.mend:
                typer.echo(f"{'':<8} {'':<14} -> {finding.mend}")
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


def _versions() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    from ovseg.evaluation.provenance import code_commit

    commit = code_commit()
    built = f"{__version__} ({commit[:12]})" if commit else __version__
    yield Finding("ok", "ovseg", f"{built}, Python {platform.python_version()} on {platform.platform()}")
    for name in _REQUIRED:
        try:
            yield Finding("ok", name, version(name))
        except PackageNotFoundError:
            yield Finding("problem", name, "not installed", "pip install ovseg")


def _device() -> Iterator[Finding]:
    from ovseg.device import resolve_device, resolve_dtype

    device = resolve_device("auto")
    dtype = str(resolve_dtype("auto", device)).removeprefix("torch.")
    mend = "" if device.type != "cpu" else "a GPU is faster, but nothing needs one"
    yield Finding("ok", "device", f"{device}, {dtype}", mend)


def _weights(check_hashes: bool) -> Iterator[Finding]:
    from ovseg.encoders.presets import OFFLINE, PRESETS, choose_preset
    from ovseg.errors import WeightsUnavailable
    from ovseg.files import file_sha256
    from ovseg.weights import list_weights

    present = [card.name for _, card in PRESETS if card.present]
    if present:
        yield Finding("ok", "presets", f"{', '.join(present)}; --preset auto takes {present[0]}")
    else:
        yield Finding("problem", "presets", "none has its weights here", OFFLINE.install)
    try:
        yield Finding(
            "ok", "discover", f"finds objects with the backbone of {choose_preset(role='backbone').name}"
        )
    except WeightsUnavailable:
        yield Finding("note", "discover", "no backbone is here", OFFLINE.install)
    for row in list_weights():
        if row.path is None:
            yield Finding("note", "weights", f"{row.name} is missing ({row.source})", row.install)
        elif check_hashes and row.sha256 and file_sha256(row.path) != row.sha256:
            mend = f"delete {row.path}, then run  {row.install}"
            yield Finding("problem", "weights", f"{row.name} has another hash than recorded", mend)
        else:
            checked = ", hash as recorded" if check_hashes else ""
            yield Finding("ok", "weights", f"{row.name}{checked}")


def _cache() -> Iterator[Finding]:
    from ovseg.weights import default_cache_dir

    folder = default_cache_dir()
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    try:
        with tempfile.TemporaryFile(dir=parent):
            yield Finding("ok", "cache", f"{folder}, {size:.0f} MB")
    except OSError as error:
        mend = "point OVSEG_CACHE_DIR to a folder that can be written"
        yield Finding("problem", "cache", f"{folder}: {error.strerror}", mend)


def _extras() -> Iterator[Finding]:
    for module, extra in _EXTRAS.items():
        if find_spec(module) is not None:
            yield Finding("ok", module, "installed")
        else:
            yield Finding("note", module, "not installed (optional)", f"pip install 'ovseg[{extra}]'")


def _plugins() -> Iterator[Finding]:
    from ovseg.registry import installed_plugins, offers_of

    for plugin in installed_plugins():
        brings = [
            f"{kind} {offer.name}" for kind, offers in offers_of(plugin.name).items() for offer in offers
        ]
        if plugin.error:
            mend = f"pip install --upgrade {plugin.name.partition(' ')[0]}, or uninstall it"
            yield Finding("note", "plug-in", f"{plugin.name} is left out: {plugin.error}", mend)
        else:
            yield Finding("ok", "plug-in", f"{plugin.name} brings {', '.join(brings) or 'nothing'}")
