"""Banks joined, narrowed and compared with the encoders at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ovseg.errors import BankMismatch, UsageError
from ovseg.fingerprint import same_fingerprint
from ovseg.prototypes.bank import PrototypeBank, PrototypeTable, SupportRecord, SupportRegion
from ovseg.prototypes.clean import clean_background, keep_rows
from ovseg.vocabulary import ClassSpec

__all__ = [
    "check_fingerprints",
    "class_places",
    "encoder_label",
    "merge_banks",
    "recorded",
    "select_classes",
    "without_classes",
]


def encoder_label(identity: Mapping[str, Any]) -> str:
    """An encoder in a few words, for messages: its name and the start of its hash."""
    encoder = identity.get("encoder")
    about = encoder if isinstance(encoder, Mapping) else {}
    name = str(about.get("name", "an unnamed encoder"))
    weights = about.get("sha256")
    layer = (
        f" layer {identity['layer']} {identity.get('facet', '')}"
        if identity.get("role") == "backbone"
        else ""
    )
    return f"{name}{layer} ({str(weights)[:12]})" if weights else f"{name}{layer}"


def recorded(bank: PrototypeBank, key: str) -> tuple[str, ...]:
    """What a bank's facts say under ``key`` (``"preset"``); of a merged bank what each part says.

    Returns:
        Each answer once, in order; none where nobody wrote it down.
    """
    found: dict[str, None] = {}
    left: list[Any] = [bank.metadata]
    while left:
        metadata = left.pop(0)
        if isinstance(metadata, Mapping):
            if isinstance(metadata.get(key), str):
                found[metadata[key]] = None
            parts = metadata.get("merged")
            left += parts if isinstance(parts, list) else []
    return tuple(found)


def check_fingerprints(
    bank: PrototypeBank, fingerprints: Mapping[str, Mapping[str, Any]]
) -> dict[str, PrototypeTable]:
    """The tables of a bank that fit the encoders at hand.

    Args:
        bank: Any.
        fingerprints: By name of the space, what decides the values of features now.

    Raises:
        BankMismatch: A space of that name has other values, or none fits; the line names both encoders.
    """
    found = {}
    for name, table in bank.tables.items():
        if name not in fingerprints:
            continue
        if not same_fingerprint(table.identity, fingerprints[name]):
            raise BankMismatch(
                f"the bank's space {name} was made by {encoder_label(table.identity)}, here it is"
                f" {encoder_label(fingerprints[name])}: use the preset that made the bank, or build it anew"
            )
        found[name] = table
    if not found:
        made = ", ".join(f"{name} of {encoder_label(table.identity)}" for name, table in bank.tables.items())
        here = ", ".join(f"{name} of {encoder_label(identity)}" for name, identity in fingerprints.items())
        raise BankMismatch(
            f"the bank has the spaces {made or 'none'}, the preset has {here or 'none'}:"
            " use the preset that made the bank, or build it anew"
        )
    return found


def merge_banks(
    banks: Sequence[PrototypeBank], *, clean: float = 1.0, metadata: Mapping[str, Any] | None = None
) -> PrototypeBank:
    """Join banks: classes of one name become one, whose prototypes are those of all.

    Args:
        banks: At least one; the first to have a class says what it is, others add words.
        clean: Threshold of ``clean_background`` over the whole; 1 cleans nothing.
        metadata: Of the result; by default those of all, in a list.

    Raises:
        BankMismatch: Two banks have a space of one name, made by different encoders.
    """
    classes: list[ClassSpec] = []
    places: dict[str, int] = {}
    supports: list[SupportRecord] = []
    regions: list[SupportRegion] = []
    parts: dict[str, list[PrototypeTable]] = {}
    for bank in banks:
        numbers = np.zeros(len(bank.classes), np.int32)
        for index, spec in enumerate(bank.classes):
            key = spec.name.casefold()
            if key in places:
                classes[places[key]] = _with_words(classes[places[key]], spec)
            else:
                places[key] = len(classes)
                classes.append(spec)
            numbers[index] = places[key]
        first_support, first_region = len(supports), len(regions)
        supports += [replace(r, class_index=int(numbers[r.class_index])) for r in bank.supports]
        regions += [replace(region, support=region.support + first_support) for region in bank.regions]
        for name, table in bank.tables.items():
            known = parts.setdefault(name, [])
            if known and not same_fingerprint(known[0].identity, table.identity):
                raise BankMismatch(
                    f"the banks' spaces {name} were made by {encoder_label(known[0].identity)} and by"
                    f" {encoder_label(table.identity)}: build one of them anew"
                )
            shifted = np.where(table.regions < 0, -1, table.regions + first_region).astype(np.int32)
            known.append(replace(table, classes=numbers[table.classes], regions=shifted))
    if metadata is None:
        metadata = {"merged": [dict(bank.metadata) for bank in banks]}
    tables = {name: _stacked(group) for name, group in parts.items()}
    merged = PrototypeBank(tuple(classes), tables, tuple(supports), tuple(regions), metadata)
    cleaned = clean_background(merged, clean)
    tables, used = _used_regions(cleaned.tables, cleaned.regions)
    return replace(cleaned, tables=tables, regions=used)


def _with_words(spec: ClassSpec, other: ClassSpec) -> ClassSpec:
    if spec == other:
        return spec
    return ClassSpec(
        name=spec.name,
        synonyms=tuple(dict.fromkeys((*spec.synonyms, *(w for w in other.words if w != spec.name)))),
        attributes=tuple(dict.fromkeys((*spec.attributes, *other.attributes))),
        appearance=spec.appearance or other.appearance,
        negatives=tuple(dict.fromkeys((*spec.negatives, *other.negatives))),
        kind=spec.kind or other.kind,
    )


def _stacked(tables: Sequence[PrototypeTable]) -> PrototypeTable:
    filled = [table for table in tables if len(table)]
    if not filled:
        return tables[0]
    texts: dict[int, str] = {}
    start = 0
    for table in filled:
        texts |= {start + row: text for row, text in table.texts.items()}
        start += len(table)
    lengths = {table.vectors.shape[1] for table in filled}
    if len(lengths) > 1:
        raise BankMismatch(f"the space {tables[0].space} has vectors of lengths {sorted(lengths)}")
    return PrototypeTable(
        space=tables[0].space,
        identity=tables[0].identity,
        vectors=np.concatenate([table.vectors for table in filled]),
        classes=np.concatenate([table.classes for table in filled]),
        kinds=np.concatenate([table.kinds for table in filled]),
        foreground=np.concatenate([table.foreground for table in filled]),
        regions=np.concatenate([table.regions for table in filled]),
        texts=texts,
    )


def class_places(bank: PrototypeBank, names: Sequence[str]) -> list[int]:
    """Index of each class by its name or a synonym, ignoring case.

    Raises:
        UsageError: The bank has no class of that name.
    """
    by_word: dict[str, int] = {}
    for index, spec in enumerate(bank.classes):
        by_word[spec.name.casefold()] = index
    for index, spec in enumerate(bank.classes):
        for word in spec.synonyms:
            by_word.setdefault(word.casefold(), index)
    missing = [name for name in names if name.casefold() not in by_word]
    if missing:
        has = ", ".join(spec.name for spec in bank.classes[:20])
        raise UsageError(f"the bank has no class {', '.join(missing)}: it has {has}")
    return [by_word[name.casefold()] for name in names]


def select_classes(bank: PrototypeBank, places: Sequence[int]) -> PrototypeBank:
    """The bank with the classes at ``places`` only, in that order; each place once."""
    numbers = np.full(len(bank.classes), -1, np.int32)
    numbers[list(places)] = np.arange(len(places))
    tables = {}
    for name, table in bank.tables.items():
        kept = keep_rows(table, np.flatnonzero(numbers[table.classes] >= 0))
        tables[name] = replace(kept, classes=numbers[kept.classes])
    left = [i for i, record in enumerate(bank.supports) if numbers[record.class_index] >= 0]
    supports = [
        replace(bank.supports[i], class_index=int(numbers[bank.supports[i].class_index])) for i in left
    ]
    places_of = {old: new for new, old in enumerate(left)}
    tables, regions = _used_regions(tables, bank.regions)
    return replace(
        bank,
        classes=tuple(bank.classes[place] for place in places),
        tables=tables,
        supports=tuple(supports),
        regions=tuple(replace(region, support=places_of[region.support]) for region in regions),
    )


def _used_regions(
    tables: Mapping[str, PrototypeTable], regions: Sequence[SupportRegion]
) -> tuple[dict[str, PrototypeTable], tuple[SupportRegion, ...]]:
    """Tables and regions without the regions that no prototype points at."""
    used = np.unique(np.concatenate([[-1], *(table.regions for table in tables.values())]))[1:]
    numbers = np.full(len(regions) + 1, -1, np.int32)  # the last one is where -1 points
    numbers[used] = np.arange(len(used))
    renumbered = {name: replace(table, regions=numbers[table.regions]) for name, table in tables.items()}
    return renumbered, tuple(regions[i] for i in used.tolist())


def without_classes(bank: PrototypeBank, names: Sequence[str]) -> PrototypeBank:
    """The bank without some classes, by their names or synonyms.

    Raises:
        UsageError: There is no such class, or none would be left.
    """
    gone = set(class_places(bank, names))
    left = [place for place in range(len(bank.classes)) if place not in gone]
    if not left:
        raise UsageError("no class would be left: delete the file instead")
    return select_classes(bank, left)
