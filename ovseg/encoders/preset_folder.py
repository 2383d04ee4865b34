"""Presets in folders: a ``preset.json`` and the models that it names.

::

    {"format": "ovseg-preset", "version": 1,
     "summary": "a small CLIP and a small DINO", "licence": "Apache-2.0", "commercial": true,
     "roles": {"image_text_encoder": "clip", "backbone": "shape", "dense_variant": "proxyclip"},
     "sha256": {"clip/open_clip_model.safetensors": "…", "shape/model.safetensors": "…"}}

A role names a folder below (``clip``) or any model by its spec (``timm:…``). Files with a hash are checked
whenever the preset is loaded.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ovseg.encoders.roles import FLAGS, ModelChoice
from ovseg.errors import WeightsUnavailable, reason
from ovseg.weights.cards import LocalFile, WeightCard

FILE, FORMAT, VERSION = "preset.json", "ovseg-preset", 1


def read_preset(folder: Path) -> tuple[str, ModelChoice, tuple[WeightCard, ...]]:
    """Summary, roles and weights of a preset in a folder.

    Raises:
        WeightsUnavailable: There is no such preset, it is malformed, of a newer version, or names a file
            outside its folder.
    """
    path = folder / FILE
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["format"] != FORMAT or table["version"] != VERSION:
            raise ValueError(f"format {table['format']!r} version {table['version']!r}")
        named: dict[str, Any] = {key: _spec(folder, key, value) for key, value in table["roles"].items()}
        roles = ModelChoice(**named)
        hashes = {str(key): str(value) for key, value in table.get("sha256", {}).items()}
        summary, licence = str(table["summary"]), str(table["licence"])
        commercial = table.get("commercial")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsUnavailable(f"{path} is no preset of ovseg: {reason(error)}") from error
    cards = tuple(_known(card, folder, hashes, licence, commercial) for card in roles.cards())
    return summary, roles, cards


def _spec(folder: Path, role: str, value: Any) -> str | None:
    if role not in FLAGS:
        raise ValueError(f"unknown role {role!r}")
    if value is None or role in ("dense_variant", "templates") or ":" in value:
        return None if value is None else str(value)
    inside = (folder / value).resolve()
    if folder.resolve() not in inside.parents:
        raise ValueError(f"{value!r} lies outside the folder")
    return f"local-dir:{inside}"


def _known(
    card: WeightCard, folder: Path, hashes: dict[str, str], licence: str, commercial: bool | None
) -> WeightCard:
    """The card of a file in the folder with what the preset says of it."""
    if not isinstance(card.at, LocalFile):
        return card
    name = card.at.path.relative_to(folder.resolve()).as_posix()
    return replace(
        card,
        name=f"{folder.name}/{name}",
        what=f"{name.partition('/')[0]} of the preset {folder.name}",
        licence=licence,
        commercial=commercial,
        sha256=hashes.get(name),
    )
