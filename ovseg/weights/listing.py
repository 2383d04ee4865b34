"""What ``ovseg models list`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ovseg.weights.cache import default_cache_dir
from ovseg.weights.cards import CARDS, HubFiles, WeightCard
from ovseg.weights.hash_record import HashRecord
from ovseg.weights.locate import find_file


@dataclass(frozen=True)
class WeightStatus:
    """One row of the list: a card and whether its file is here (``path`` is None where it is not).

    ``sha256`` and ``revision`` are those that a source gives, or that were recorded when the file was first
    seen; empty where it never was.
    """

    name: str
    what: str
    source: str
    file: str
    licence: str
    sha256: str
    revision: str
    size_bytes: int | None
    commercial: bool | None
    spec: str
    install: str
    path: Path | None

    @property
    def present(self) -> bool:
        """Whether the file is on this machine."""
        return self.path is not None


def list_weights() -> list[WeightStatus]:
    """Every weights file on record, in order of registration; reads no weights and imports no package."""
    return [weight_status(card) for _, card in CARDS]


def weight_status(card: WeightCard) -> WeightStatus:
    """What is known of one card on this machine."""
    path = find_file(card)
    sha256, revision, size = card.sha256 or "", "", card.size_bytes
    if isinstance(card.at, HubFiles):
        lock = HashRecord(default_cache_dir())
        revision = lock.revision(card.at) or card.at.revision or ""
        sha256 = sha256 or lock.sha256(card.at, card.file) or ""
    if size is None and path is not None:
        size = path.stat().st_size
    return WeightStatus(
        name=card.name,
        what=card.what,
        source=str(card.at),
        file=card.file,
        licence=card.licence,
        sha256=sha256,
        revision=revision,
        size_bytes=size,
        commercial=card.commercial,
        spec=card.spec,
        install=card.install,
        path=path,
    )
