"""State dicts from files, laid into models, with a wrong one refused by the names of its tensors."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn

from ovseg.errors import WeightsUnavailable
from ovseg.weights.readers import read_safetensors


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file, or of one that ``torch.save`` wrote; nothing is executed.

    Training scripts keep the tensors under ``state_dict``, ``model`` or ``teacher``.

    Raises:
        WeightsUnavailable: The file cannot be read as either.
    """
    try:
        if path.suffix == ".safetensors":
            return read_safetensors(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsUnavailable(f"cannot read weights from {path}: {reason}") from error
    for key in ("state_dict", "model", "teacher"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not any(isinstance(v, torch.Tensor) for v in loaded.values()):
        raise WeightsUnavailable(f"cannot read weights from {path}: it holds no tensors by name")
    return {key: value for key, value in loaded.items() if isinstance(value, torch.Tensor)}


def lay_in(
    model: nn.Module, state: Mapping[str, torch.Tensor], where: Path, *, unused: Sequence[str] = ()
) -> None:
    """Load a state dict whose tensors must be exactly the model's.

    Args:
        model: Whose parameters and buffers.
        state: Tensors by name.
        where: The file, for the message.
        unused: Beginnings of names that a file may have and the model does without (a classifier's head).

    Raises:
        WeightsUnavailable: Tensors are missing, left over or of another shape; the line names one of each.
    """
    own = model.state_dict()
    given = {
        key: value
        for key, value in state.items()
        if key in own or not key.startswith(tuple(unused) or ("\0",))
    }
    wrong = [
        f"{len(names)} {what}, as {names[0]}"
        for what, names in (
            ("missing", sorted(set(own) - set(given))),
            ("left over", sorted(set(given) - set(own))),
            ("of another shape",
             [f"{key} {tuple(given[key].shape)} for {tuple(own[key].shape)}"
              for key in sorted(set(given) & set(own)) if given[key].shape != own[key].shape]),
        )
        if names
    ]  # fmt: skip
    if wrong:
        raise WeightsUnavailable(
            f"{where} has not the weights of {type(model).__name__}: tensors {'; '.join(wrong)}"
        )
    model.load_state_dict(given)
