"""The converted weights in ovseg's cache: made once from checked files, checked again at every load."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ovseg.files import atomic_path, file_sha256, write_json
from ovseg.weights.cards import WeightCard
from ovseg.weights.locate import require_checked

StateDict = dict[str, torch.Tensor]
Converter = Callable[[Path], StateDict]


class WeightStore:
    """Converted weights by card, under ``<cache>/weights``.

    Args:
        cache_dir: ovseg's cache; None: nothing is kept, and every call converts anew.
    """

    def __init__(self, cache_dir: Path | None) -> None:
        self.root = cache_dir / "weights" if cache_dir else None

    def state_dict(self, card: WeightCard, convert: Converter, *, version: int = 1) -> StateDict:
        """Return a card's state dict in ovseg's own names.

        The first call checks the shipped file's SHA-256, converts it and keeps the result as safetensors
        beside a JSON with both hashes. Later calls check the kept file against that record; a damaged one
        is made anew from the shipped file.

        Args:
            card: Whose weights.
            convert: Reads the shipped file into a state dict.
            version: Of ``convert``; another version makes the file anew.

        Raises:
            WeightsUnavailable: The shipped file is missing or has another hash.
            OutputError: The cache cannot be written.
        """
        if card.sha256 is None:
            raise ValueError(
                f"weights {card.name} have no hash on record, by which a converted file could be known"
            )
        if self.root is None:
            return convert(require_checked(card))
        path = self.root / f"{card.name}-{card.sha256[:12]}-v{version}.safetensors"
        record = path.with_suffix(".json")
        if not _is_intact(path, record, card):
            source = require_checked(card)
            state = {key: value.contiguous() for key, value in convert(source).items()}
            with atomic_path(path) as temporary:
                save_file(state, temporary)
            write_json(
                record, {"source_sha256": card.sha256, "sha256": file_sha256(path), "licence": card.licence}
            )
        with safe_open(path, framework="pt") as stream:
            return {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118 (not a dict)


def _is_intact(path: Path, record: Path, card: WeightCard) -> bool:
    if not path.is_file() or not record.is_file():
        return False
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        with safe_open(path, framework="pt"):
            pass
    except (ValueError, OSError, SafetensorError):
        return False
    return (
        isinstance(known, dict)
        and known.get("source_sha256") == card.sha256
        and known.get("sha256") == file_sha256(path)
    )
