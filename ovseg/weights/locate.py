"""Find weight files inside installed packages without importing the packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ovseg.errors import WeightsUnavailable
from ovseg.weights.cards import WeightCard


def find_file(card: WeightCard) -> Path | None:
    """Path of a card's file in the installed package, or None when it is not installed.

    ``find_spec`` of a top-level name reads no code of the package, unlike ``importlib.resources``.
    """
    spec = importlib.util.find_spec(card.module)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    paths = (Path(folder) / card.file for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def require_file(card: WeightCard) -> Path:
    """Path of a card's file.

    Raises:
        WeightsUnavailable: The package is not installed; the line gives the command.
    """
    path = find_file(card)
    if path is None:
        raise WeightsUnavailable(f"weights {card.name} are not on this machine: run  {card.install}")
    return path
