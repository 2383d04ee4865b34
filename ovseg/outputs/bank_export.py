"""A bank in formats that anything reads, with a page of the support images that it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import InputError
from ovseg.files import atomic_path, file_sha256, write_json
from ovseg.images import load_image
from ovseg.outputs.support_sheet import SheetEntry, drawn, small_picture, write_single_sheet
from ovseg.prototypes import PrototypeBank, SupportRecord
from ovseg.prototypes.describe import describe_bank
from ovseg.prototypes.header import record_to_json

__all__ = ["EXPORTS", "export_bank"]

EXPORTS = ("bank.npz", "bank.json", "support.html")
Mask = npt.NDArray[np.bool_]

_CELL = 8
"""Pixels a cell, where there is no photo to lay a region over."""


def export_bank(bank: PrototypeBank, folder: Path, photos: Sequence[Path] = ()) -> None:
    """Write ``bank.npz``, ``bank.json`` and ``support.html``.

    Args:
        bank: Any.
        folder: Where to; made when missing.
        photos: Folders in which support photos may lie under their names. Only a photo of the recorded hash
            is shown; of the others the regions alone.

    Raises:
        OutputError: A file cannot be written.
    """
    arrays: dict[str, Any] = {}
    for name, table in sorted(bank.tables.items()):
        for column in ("vectors", "classes", "kinds", "foreground", "regions"):
            arrays[f"{name}/{column}"] = getattr(table, column)
    arrays["regions/supports"] = np.array([region.support for region in bank.regions], np.int32)
    for index, region in enumerate(bank.regions):
        arrays[f"regions/masks/{index}"] = region.mask
    with atomic_path(folder / EXPORTS[0]) as temporary:
        np.savez_compressed(temporary, **arrays)
    texts = {
        name: {str(row): text for row, text in table.texts.items()} for name, table in bank.tables.items()
    }
    about = describe_bank(bank) | {
        "texts": {name: rows for name, rows in texts.items() if rows},
        "support_images": [record_to_json(record) for record in bank.supports],
    }
    write_json(folder / EXPORTS[1], about)
    grounds = _grounds(bank)
    entries = [_entry(bank, number, grounds[number], photos) for number in range(len(bank.supports))]
    title = f"Support of {len(bank.classes)} classes"
    write_single_sheet(folder / EXPORTS[2], title, f"{len(entries)} support images", entries)


def _entry(
    bank: PrototypeBank, number: int, grounds: tuple[Mask, Mask], photos: Sequence[Path]
) -> SheetEntry:
    record = bank.supports[number]
    picture = _photo(record, photos)
    if picture is None:
        picture = np.full((_CELL * record.grid[0], _CELL * record.grid[1], 3), 200, np.uint8)
    origin = record.origin
    name = bank.classes[record.class_index].name
    metadata = {"source": origin["source"], "licence": origin["licence"], **origin["details"]}
    score = metadata.pop("score", 0.0)
    return SheetEntry(
        drawn(picture, *grounds),
        f"{name}: {origin['name']}",
        metadata,
        float(score) if isinstance(score, int | float) else 0.0,
    )


def _grounds(bank: PrototypeBank) -> list[tuple[Mask, Mask]]:
    """Per support image all cells that foreground, and that background prototypes point at."""
    found = [(np.zeros(record.grid, np.bool_), np.zeros(record.grid, np.bool_)) for record in bank.supports]
    for table in bank.tables.values():
        pairs = zip(table.foreground.tolist(), table.regions.tolist(), strict=True)
        for foreground, number in {pair for pair in pairs if pair[1] >= 0}:
            region = bank.regions[number]
            mask = found[region.support][0 if foreground else 1]
            mask |= region.mask
    return found


def _photo(record: SupportRecord, photos: Sequence[Path]) -> npt.NDArray[np.uint8] | None:
    """The small picture of a support photo, if it is found and is the one that was used."""
    for root in photos:
        path = root / str(record.origin["name"])
        if path.is_file() and file_sha256(path) == record.origin["sha256"]:
            try:
                return small_picture(load_image(path).pixels)
            except InputError:
                return None
    return None
