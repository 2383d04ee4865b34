"""The parts of a bank that are kept as JSON, and back, with every surprise refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, cast

from ovseg.prototypes.bank import SupportRecord
from ovseg.vocabulary import ClassSpec

__all__ = ["class_from_json", "class_to_json", "record_from_json", "record_to_json"]

MAX_SIDE = 2**20
"""Pixels of a support image along a side at most."""
MAX_PATCHES = 2**24
"""Patches of a support image's grid at most."""
_WORDS = ("synonyms", "attributes", "appearance", "negatives")
_ORIGIN = {"source", "name", "sha256", "licence", "details"}


def class_to_json(index: int, spec: ClassSpec) -> dict[str, Any]:
    """A class with its id, its place in the bank."""
    lists = {key: list(getattr(spec, key)) for key in _WORDS}
    return {"id": index, "name": spec.name, "kind": spec.kind, **lists}


def class_from_json(index: int, entry: Any) -> ClassSpec:
    """The class at place ``index``; raises ``ValueError`` on any surprise."""
    _table(entry, {"id", "name", "kind", *_WORDS}, "class")
    if entry["id"] != index:
        raise ValueError(f"class {index} has the id {entry['id']!r:.40}")
    if entry["kind"] not in ("thing", "stuff", None):
        raise ValueError(f"class {index} is of the kind {entry['kind']!r:.40}")
    lists = {key: tuple(_text(word) for word in _list(entry[key])) for key in _WORDS}
    return ClassSpec(_text(entry["name"]), kind=cast("Any", entry["kind"]), **lists)


def record_to_json(record: SupportRecord) -> dict[str, Any]:
    """A support image."""
    return {
        "class": record.class_index,
        "origin": dict(record.origin),
        "size": list(record.size),
        "grid": list(record.grid),
    }


def record_from_json(entry: Any) -> SupportRecord:
    """A support image; raises ``ValueError`` on any surprise, among them names that lead out of a folder."""
    _table(entry, {"class", "origin", "size", "grid"}, "support image")
    origin = entry["origin"]
    _table(origin, _ORIGIN, "origin")
    for key in ("source", "name", "sha256", "licence"):
        _text(origin[key])
    if not isinstance(origin["details"], dict):
        raise ValueError("the details of an origin are no table")
    if not is_inside(origin["name"]):
        raise ValueError(f"the support image {origin['name']!r:.80} would lie outside its folder")
    if len(origin["sha256"]) != 64 or set(origin["sha256"]) - set("0123456789abcdef"):
        raise ValueError(f"the hash of support image {origin['name']!r:.80} is none")
    height, width = _pair(entry["size"], MAX_SIDE)
    rows, columns = _pair(entry["grid"], MAX_SIDE)
    if rows * columns > MAX_PATCHES:
        raise ValueError(f"a support image has a grid of {rows} x {columns} cells")
    if type(entry["class"]) is not int:
        raise ValueError("the class of a support image is no number")
    return SupportRecord(entry["class"], origin, (height, width), (rows, columns))


def is_inside(name: str) -> bool:
    """Whether a relative name stays inside the folder to which it is joined, on any system."""
    path, foreign = PurePosixPath(name), PureWindowsPath(name)
    return bool(
        name
        and "\0" not in name
        and not path.is_absolute()
        and not foreign.drive
        and not foreign.root
        and ".." not in path.parts
        and ".." not in foreign.parts
    )


def _table(value: Any, keys: set[str], what: str) -> None:
    if not isinstance(value, Mapping) or set(value) != keys:
        raise ValueError(f"a {what} is not described as it should be")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("a list of words is none")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {value!r:.40}")
    return value


def _pair(value: Any, most: int) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"expected two sides, found {value!r:.40}")
    for side in value:
        if type(side) is not int or not 1 <= side <= most:
            raise ValueError(f"a side of {side!r:.40} is none")
    return value[0], value[1]
