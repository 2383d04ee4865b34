"""``naclip``: key-key attention that favours the neighbourhood.

Hajimiri, Ben Ayed, Dolz, "Pay Attention to Your Neighbours: Training-Free Open-Vocabulary Semantic
Segmentation", WACV 2025: to the logits of each patch comes a Gaussian of height 1 around it on the grid,
nothing to the class token's, without residual and feed-forward::

    z_i = out(softmax_j(k_i k_j / sqrt(d) + exp(-|p_i - p_j|² / (2 sigma²))) v_j),   sigma = 5 patches
"""

from __future__ import annotations

import torch

from ovseg.encoders.clip.variants.base import Bias, DenseVariant, VariantInput, attend, register_variant

SIGMA = 5.0
"""Standard deviation of the neighbourhood, in patches."""


def compute(inputs: VariantInput) -> torch.Tensor:
    """See the module's text."""
    _, key, value = inputs.last_block.qkv(inputs.tokens)
    bias = gaussian_bias(inputs.grid, inputs.tower.prefix, key.device)
    return inputs.to_text_space(inputs.last_block.attention_output(attend(key, key, value, bias)))


def gaussian_bias(grid: tuple[int, int], prefix: int, device: torch.device) -> Bias:
    """Rows of the (prefix + h * w)² bias; the Gaussian is a product of one along each axis."""
    height, width = grid
    down, across = (_gaussian(length, device) for length in (height, width))

    def rows(wanted: slice) -> torch.Tensor:
        bias = torch.zeros(wanted.stop - wanted.start, prefix + height * width, device=device)
        patches = torch.arange(max(wanted.start, prefix), wanted.stop, device=device) - prefix
        block = down[patches // width][:, :, None] * across[patches % width][:, None, :]
        bias[len(bias) - len(patches) :, prefix:] = block.flatten(1)
        return bias

    return rows


def _gaussian(length: int, device: torch.device) -> torch.Tensor:
    places = torch.arange(length, device=device, dtype=torch.float32)
    return torch.exp(-(places[:, None] - places).square() / (2 * SIGMA**2))


NACLIP = register_variant(DenseVariant("naclip", "NACLIP (Hajimiri et al., WACV 2025)", compute))
