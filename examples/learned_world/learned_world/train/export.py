"""Finished weights: float16 safetensors, and a JSON with their hashes and the command that made them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ovseg.files import atomic_path, file_sha256, write_json

RECORD = "training.json"


def half_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Floating-point tensors as float16, the rest as they are, none sharing memory."""
    return {
        key: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous().clone()
        for key, value in state.items()
    }


def save_half(state: dict[str, torch.Tensor], path: Path) -> None:
    """Write a state dict as float16 safetensors, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        save_file(half_state(state), part, metadata={"format": "pt"})


def write_record(folder: Path, module: str, settings: dict[str, Any], **made_of: Any) -> None:
    """Write ``training.json``: the command, the settings, and the SHA-256 of every file of weights.

    Args:
        folder: Of the weights.
        module: The script.
        settings: How it trained.
        made_of: What was trained before, by name: its ``read_record``.
    """
    write_json(
        folder / RECORD,
        {
            "format": "learned-world-training",
            "version": 1,
            "command": " ".join(["python -m", module, *_what(sys.argv[1:])]),
            "settings": settings,
            "torch": torch.__version__,
            "licence": "Apache-2.0",
            "sha256": _hashes(folder),
            **made_of,
        },
    )


def read_record(folder: Path) -> dict[str, Any] | None:
    """Command, settings and torch of what :func:`write_record` left in a folder.

    None: it left nothing there, or the weights are others by now.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if record["sha256"] != _hashes(folder):
        return None
    return {key: record[key] for key in ("command", "settings", "torch")}


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(folder.rglob("*.safetensors"))
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def _what(arguments: Sequence[str]) -> list[str]:
    """A command's arguments without those that say where."""
    found, left_out = [], False
    for argument in arguments:
        flag, equals, _ = argument.partition("=")
        if flag in ("--work", "--out"):
            left_out = not equals  # else its value is the next argument
        elif left_out:
            left_out = False
        else:
            found.append(argument)
    return found
