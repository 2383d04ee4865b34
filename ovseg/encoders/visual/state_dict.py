"""State dicts laid into models, with a wrong one refused by the names of its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from ovseg.errors import WeightsUnavailable


def load_strict(
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
