"""Which prototypes to leave out: doubles, and background that is another class's foreground."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ovseg.prototypes.bank import PrototypeBank, PrototypeTable

__all__ = ["clean_background", "distinct_rows", "keep_rows"]

BLOCK = 4096
"""Prototypes that are compared at a time."""


def distinct_rows(vectors: npt.NDArray[np.float32], threshold: float) -> npt.NDArray[np.int64]:
    """Indices of the vectors that are no double of an earlier kept one.

    Args:
        vectors: (P, D) of unit length, the ones to be preferred first.
        threshold: Cosine above which two are the same; 1 keeps all.
    """
    if threshold >= 1 or len(vectors) < 2:
        return np.arange(len(vectors))
    kept: list[int] = []
    for index, vector in enumerate(vectors):
        if not kept or float((vectors[kept] @ vector).max()) <= threshold:
            kept.append(index)
    return np.array(kept, np.int64)


def keep_rows(table: PrototypeTable, rows: npt.NDArray[np.int64]) -> PrototypeTable:
    """The table with those rows only, in that order."""
    places = {int(row): place for place, row in enumerate(rows)}
    return replace(
        table,
        vectors=table.vectors[rows],
        classes=table.classes[rows],
        kinds=table.kinds[rows],
        foreground=table.foreground[rows],
        regions=table.regions[rows],
        texts={places[row]: text for row, text in table.texts.items() if row in places},
    )


def clean_background(bank: PrototypeBank, threshold: float) -> PrototypeBank:
    """Drop background prototypes that are like another class's foreground (OVDiff, section 3.3).

    A photo of a boat has water around it; where water is a class of its own, that is no background.

    Args:
        bank: Of all classes that will be used together.
        threshold: Cosine above which a background prototype goes; 1 drops none.
    """
    if threshold >= 1:
        return bank
    return replace(bank, tables={name: _cleaned(table, threshold) for name, table in bank.tables.items()})


def _cleaned(table: PrototypeTable, threshold: float) -> PrototypeTable:
    front = np.flatnonzero(table.foreground & (table.regions >= 0))
    kept = np.ones(len(table), np.bool_)
    for start in range(0, len(table), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(table)))
        rows = rows[~table.foreground[rows]]
        for first in range(0, len(front) if len(rows) else 0, BLOCK):
            others = front[first : first + BLOCK]
            like = table.vectors[rows] @ table.vectors[others].T > threshold
            like &= table.classes[rows][:, None] != table.classes[others][None]
            kept[rows[like.any(axis=1)]] = False
    return keep_rows(table, np.flatnonzero(kept))
