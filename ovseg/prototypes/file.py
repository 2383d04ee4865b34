"""Bank files: the same bank gives the same bytes, and whatever is read is checked (see
``ovseg.container``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.container import read_container, write_container
from ovseg.errors import BankMismatch, OvsegError
from ovseg.prototypes.bank import KINDS, PrototypeBank, PrototypeTable, SupportRecord, SupportRegion
from ovseg.prototypes.header import class_from_json, class_to_json, record_from_json, record_to_json

__all__ = ["VERSION", "load_bank", "save_bank"]

Array = npt.NDArray[Any]

VERSION = 2
"""Of the layout of bank files: 2 has classes with ``appearance``, and settings by stage."""

_CONTENT = {"classes", "spaces", "kinds", "supports", "facts"}
_SPACE = {"space", "identity", "texts"}
_COLUMNS = {
    "vectors": np.dtype("<f4"),
    "classes": np.dtype("<i4"),
    "kinds": np.dtype("u1"),
    "foreground": np.dtype("?"),
    "regions": np.dtype("<i4"),
}
_TEXT = KINDS.index("text")
_LENGTH_SLACK = 1e-3
"""How far from 1 the length of a vector may be."""


def save_bank(bank: PrototypeBank, path: str | Path) -> None:
    """Write a bank atomically; equal banks give equal bytes.

    Raises:
        OutputError: The file cannot be written.
    """
    bits = [np.packbits(region.mask) for region in bank.regions]
    arrays: dict[str, Array] = {
        "region_supports": np.array([region.support for region in bank.regions], np.int32),
        "region_bits": np.concatenate(bits) if bits else np.zeros(0, np.uint8),
    }
    spaces = []
    for number, name in enumerate(sorted(bank.tables)):
        table = bank.tables[name]
        arrays |= {f"{column}.{number}": getattr(table, column) for column in _COLUMNS}
        texts = [[row, table.texts[row]] for row in sorted(table.texts)]
        spaces.append({"space": name, "identity": dict(table.identity), "texts": texts})
    content = {
        "classes": [class_to_json(index, spec) for index, spec in enumerate(bank.classes)],
        "spaces": spaces,
        "kinds": list(KINDS),
        "supports": [record_to_json(record) for record in bank.supports],
        "facts": dict(bank.metadata),
    }
    write_container(Path(path), "bank", VERSION, content, arrays)


def load_bank(path: str | Path) -> PrototypeBank:
    """Read a bank.

    Raises:
        BankMismatch: It is missing, no bank, of another version, cut short, altered, or makes no sense.
    """
    path = Path(path)
    version, content, arrays = read_container(path, "bank", VERSION)
    if version < VERSION:
        raise BankMismatch(
            f"{path} is a bank of version {version}, this ovseg reads {VERSION}: build it again"
        )
    try:
        return replace(_parse(content, arrays), path=path)
    except (ValueError, TypeError, KeyError, OverflowError, OvsegError) as error:
        raise BankMismatch(f"cannot use bank {path}: it is damaged ({error}): make it anew") from error


def _parse(content: Any, arrays: dict[str, Array]) -> PrototypeBank:
    if not isinstance(content, dict) or set(content) != _CONTENT or content["kinds"] != list(KINDS):
        raise ValueError("its content is not that of a bank")
    if not isinstance(content["facts"], dict) or not content["classes"]:
        raise ValueError("it has no classes")
    for key in ("classes", "spaces", "supports"):
        if not isinstance(content[key], list):
            raise ValueError(f"its {key} are no list")
    classes = tuple(class_from_json(index, entry) for index, entry in enumerate(content["classes"]))
    if len({spec.name.casefold() for spec in classes}) < len(classes):
        raise ValueError("two classes have one name")
    expected = {"region_supports", "region_bits"}
    expected |= {f"{column}.{i}" for i in range(len(content["spaces"])) for column in _COLUMNS}
    if set(arrays) != expected:
        raise ValueError("it has not the arrays of a bank")
    supports = tuple(record_from_json(entry) for entry in content["supports"])
    regions = _unpacked(
        supports, _column(arrays, "region_supports", "<i4", 1), _column(arrays, "region_bits", "u1", 1)
    )
    tables: dict[str, PrototypeTable] = {}
    for number, space in enumerate(content["spaces"]):
        table = _table(space, number, arrays)
        if table.space in tables:
            raise ValueError("two tables have one space")
        tables[table.space] = table
    return PrototypeBank(classes, tables, supports, regions, content["facts"])


def _table(entry: Any, number: int, arrays: dict[str, Array]) -> PrototypeTable:
    if not isinstance(entry, dict) or set(entry) != _SPACE or not isinstance(entry["space"], str):
        raise ValueError("a space is not described as it should be")
    if not isinstance(entry["identity"], dict) or not isinstance(entry["texts"], list):
        raise ValueError("a space is not described as it should be")
    columns = {
        name: _column(arrays, f"{name}.{number}", dtype, 2 if name == "vectors" else 1)
        for name, dtype in _COLUMNS.items()
    }
    vectors = columns["vectors"]
    # The largest absolute value first: the square of a huge number would overflow, with a warning.
    if vectors.size and not float(np.abs(vectors).max()) <= 1 + _LENGTH_SLACK:
        raise ValueError("its vectors are not of unit length")
    lengths = np.linalg.norm(vectors, axis=1)
    if lengths.size and float(np.abs(lengths - 1).max()) > _LENGTH_SLACK:
        raise ValueError("its vectors are not of unit length")
    if columns["foreground"].view(np.uint8).max(initial=0) > 1:
        raise ValueError("a ground is neither true nor false")
    texts = {}
    for row, text in entry["texts"]:
        if type(row) is not int or not isinstance(text, str):
            raise ValueError("a text prototype has no text")
        texts[row] = text
    is_text = columns["kinds"] == _TEXT
    if sorted(texts) != np.flatnonzero(is_text).tolist() or len(texts) != len(entry["texts"]):
        raise ValueError("texts do not belong to text prototypes")
    if (is_text != (columns["regions"] == -1)).any():
        raise ValueError("a prototype has no region, or a text has one")
    return PrototypeTable(entry["space"], entry["identity"], texts=texts, **columns)


def _column(arrays: dict[str, Array], name: str, dtype: Any, axes: int) -> Array:
    array = arrays[name]
    if array.dtype != np.dtype(dtype) or array.ndim != axes:
        raise ValueError(f"array {name} is {array.dtype} of {array.ndim} axes")
    return array


def _unpacked(
    supports: Sequence[SupportRecord], owners: npt.NDArray[np.int32], bits: npt.NDArray[np.uint8]
) -> tuple[SupportRegion, ...]:
    """Regions from their packed bits, each on its image's grid and filled up to whole bytes."""
    if len(owners) and not 0 <= int(owners.min()) <= int(owners.max()) < len(supports):
        raise ValueError("a region belongs to no support image")
    patches = [supports[owner].grid[0] * supports[owner].grid[1] for owner in owners.tolist()]
    # Compared before anything is unpacked: no more is made than the file holds.
    if sum(-(-count // 8) for count in patches) != len(bits):
        raise ValueError("its regions do not have the bits they should")
    regions, start = [], 0
    for owner, count in zip(owners.tolist(), patches, strict=True):
        end = start + -(-count // 8)
        flat = np.unpackbits(bits[start:end])
        if flat[count:].any():
            raise ValueError("a region has bits beyond its grid")
        regions.append(SupportRegion(owner, flat[:count].view(np.bool_).reshape(supports[owner].grid)))
        start = end
    return tuple(regions)
