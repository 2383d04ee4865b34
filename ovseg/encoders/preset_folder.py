"""Presets in folders: a ``preset.json`` and the models that it names.

::

    {"format": "ovseg-preset", "version": 1,
     "summary": "a small CLIP and a small DINO", "licence": "Apache-2.0", "commercial": true,
     "roles": {"image_text_encoder": "clip", "backbone": "dino", "dense_variant": "proxyclip"},
     "sha256": {"clip/open_clip_model.safetensors": "…", "dino/model.safetensors": "…"}}

A role names a folder below (``clip``) or any model by its spec (``timm:…``). Files with a hash are checked
whenever they are loaded.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ovseg.encoders.preset_card import PresetCard
from ovseg.encoders.roles import FLAGS, ModelChoice
from ovseg.errors import WeightsUnavailable, reason
from ovseg.weights.cards import LocalFile, WeightCard

FILE, FORMAT, VERSION = "preset.json", "ovseg-preset", 1


def read_preset(folder: Path) -> PresetCard:
    """Read a preset from a folder, whose name it takes.

    Raises:
        WeightsUnavailable: There is no such preset, it is malformed, of a newer version, or names a file
            outside its folder.
        UnknownName: It names a model, dense variant or set of templates that does not exist.
    """
    path = folder / FILE
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["format"] != FORMAT or table["version"] != VERSION:
            raise ValueError(f"format {table['format']!r} version {table['version']!r}")
        named: dict[str, Any] = {key: _spec(folder, key, value) for key, value in table["roles"].items()}
        models = ModelChoice(**named)
        hashes = {str(key): str(value) for key, value in table.get("sha256", {}).items()}
        about = {"licence": str(table["licence"]), "commercial": table.get("commercial")}
        summary = str(table["summary"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsUnavailable(f"{path} is no preset of ovseg: {reason(error)}") from error
    weights = tuple(_described(card, folder, hashes, about) for card in models.cards())
    return PresetCard(folder.name, summary, models, weights=weights)


def _spec(folder: Path, role: str, value: Any) -> str | None:
    if role not in FLAGS:
        raise ValueError(f"unknown role {role!r}")
    if value is None or role in ("dense_variant", "templates") or ":" in value:
        return None if value is None else str(value)
    inside = (folder / value).resolve()
    if folder.resolve() not in inside.parents:
        raise ValueError(f"{value!r} lies outside the folder")
    return f"local-dir:{inside}"


def _described(card: WeightCard, folder: Path, hashes: dict[str, str], about: dict[str, Any]) -> WeightCard:
    """Return the card of a file in the folder with what the preset says about it."""
    if not isinstance(card.at, LocalFile):
        return card
    name = card.at.path.relative_to(folder.resolve()).as_posix()
    what = f"{name.partition('/')[0]} of the preset {folder.name}"
    return replace(card, name=f"{folder.name}/{name}", what=what, sha256=hashes.get(name), **about)
