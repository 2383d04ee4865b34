"""Parts of a CLIP model's text side that other repositories hold: tokenizer, or tower configuration.

open_clip's own tokenizer comes with it. SigLIP, CLIPA and the multilingual models name a repository of the
hub instead, often another one than that of their weights.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ovseg.errors import UsageError
from ovseg.weights.cards import LICENCE_UNKNOWN, HubFiles, WeightCard
from ovseg.weights.hub import snapshot_folder
from ovseg.weights.locate import find_file
from ovseg.weights.spec import ModelSpec, parse_spec

__all__ = ["CONFIG", "has_tokenizer", "model_config", "text_parts", "tokenizer_card", "tower_card"]

CONFIG = "open_clip_config.json"


def model_config(spec: ModelSpec, folder: Path) -> dict[str, Any]:
    """Return the configuration of a CLIP model: from open_clip's table, or from the folder.

    Raises:
        UsageError: The folder's file is no configuration of open_clip's.
    """
    if spec.source == "open_clip":
        import open_clip

        config: dict[str, Any] = open_clip.get_model_config(spec.name)
        return config
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
        config["text_cfg"].get("hf_model_name")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no configuration of open_clip's: it wants model_cfg with text_cfg"
        ) from error
    return config


def has_tokenizer(folder: Path) -> bool:
    """Return whether a folder holds a tokenizer of the hub's kind."""
    return any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))


def tokenizer_card(card: WeightCard, config: dict[str, Any], folder: Path) -> WeightCard | None:
    """Return the repository of a model's tokenizer; None: it is beside the weights, or open_clip's own."""
    name = config["text_cfg"].get("hf_tokenizer_name")
    return None if not name or has_tokenizer(folder) else _described(card, name, "tokenizer")


def tower_card(card: WeightCard, config: dict[str, Any]) -> WeightCard | None:
    """Return the repository that describes a model's text tower; None: it is open_clip's own."""
    name = config["text_cfg"].get("hf_model_name")
    return _described(card, name, "text tower's configuration") if name else None


def text_parts(card: WeightCard) -> tuple[WeightCard, ...]:
    """Return what a CLIP model needs from other repositories; nothing for other models.

    Args:
        card: Whose weights are on this machine.
    """
    path = find_file(card)
    spec = parse_spec(card.spec) if card.spec else None
    if path is None or spec is None:
        return ()
    folder = snapshot_folder(path) if isinstance(card.at, HubFiles) else path.parent
    if spec.source != "open_clip" and not (folder / CONFIG).is_file():
        return ()
    config = model_config(spec, folder)
    found = (tokenizer_card(card, config, folder), tower_card(card, config))
    return tuple({part.at: part for part in found if part is not None}.values())


def _described(card: WeightCard, repo: str, part: str) -> WeightCard:
    """Return a card of the same name, so that the same command downloads it."""
    return replace(
        card,
        what=f"{part} of {card.what}",
        at=HubFiles(repo, weights=False),
        licence=LICENCE_UNKNOWN,
        source=f"https://huggingface.co/{repo}",
        sha256=None,
        size_bytes=None,
        commercial=None,
    )
