"""Models whose every parameter matters: seeded, with no layer scale or bias near zero."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def shaken(model: M, seed: int = 0) -> M:
    """The model in eval mode, each parameter moved by a seeded amount."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "gamma" in name or "lambda" in name:
                parameter.copy_(0.5 + 0.1 * noise)
            elif parameter.ndim == 1 or "token" in name or "pos" in name:
                parameter.add_(0.1 * noise)
            else:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
    return model.eval()


def pictures(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(7))
