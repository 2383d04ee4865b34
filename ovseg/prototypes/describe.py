"""A bank in numbers, as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ovseg.prototypes.bank import KINDS, PrototypeBank, PrototypeTable
from ovseg.prototypes.edit import encoder_label
from ovseg.prototypes.header import class_to_json

__all__ = ["describe_bank"]


def describe_bank(bank: PrototypeBank) -> dict[str, Any]:
    """Classes with counts, spaces with encoders, support images by source and licence, and the facts.

    Prototypes of texts are counted with their space, and not among a class's ``foreground``.
    """
    supports = Counter(record.class_index for record in bank.supports)
    front = np.zeros(len(bank.classes), np.int64)
    back = np.zeros(len(bank.classes), np.int64)
    for table in bank.tables.values():
        visual = table.regions >= 0
        front += np.bincount(table.classes[visual & table.foreground], minlength=len(front))
        back += np.bincount(table.classes[visual & ~table.foreground], minlength=len(back))
    classes = [
        class_to_json(index, spec)
        | {"supports": supports[index], "foreground": int(front[index]), "background": int(back[index])}
        for index, spec in enumerate(bank.classes)
    ]
    return {
        "classes": classes,
        "spaces": [_space(bank.tables[name]) for name in sorted(bank.tables)],
        "supports": len(bank.supports),
        "regions": len(bank.regions),
        "sources": _counted(bank, "source"),
        "licences": _counted(bank, "licence"),
        "facts": dict(bank.metadata),
    }


def _space(table: PrototypeTable) -> dict[str, Any]:
    kinds = Counter(KINDS[kind] for kind in table.kinds.tolist())
    return {
        "space": table.space,
        "encoder": encoder_label(table.identity),
        "identity": dict(table.identity),
        "prototypes": len(table),
        "length": int(table.vectors.shape[1]),
        "foreground": int(table.foreground.sum()),
        "background": int((~table.foreground).sum()),
        "kinds": {kind: kinds[kind] for kind in KINDS if kinds[kind]},
    }


def _counted(bank: PrototypeBank, key: str) -> dict[str, int]:
    return dict(sorted(Counter(str(record.origin[key]) for record in bank.supports).items()))
