"""Finished weights: float16 safetensors, and a JSON with their hashes and the command that made them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ovseg.files import atomic_path, file_sha256, write_json


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


def write_record(folder: Path, module: str, settings: dict[str, Any]) -> None:
    """Write ``training.json``: the command, the settings, and the SHA-256 of every file of weights."""
    given = sys.argv[1:]
    for flag in ("--work", "--out"):  # where, not what
        if flag in given:
            at = given.index(flag)
            given = given[:at] + given[at + 2 :]
    files = sorted(p for p in folder.rglob("*.safetensors"))
    write_json(
        folder / "training.json",
        {
            "format": "ovseg-world-training",
            "version": 1,
            "command": f"python -m {module} {' '.join(given)}".strip(),
            "settings": settings,
            "torch": torch.__version__,
            "licence": "Apache-2.0",
            "sha256": {p.relative_to(folder).as_posix(): file_sha256(p) for p in files},
        },
    )
