"""``none``: the last block as it was trained; patches are projected as the class token is."""

from __future__ import annotations

import torch

from ovseg.encoders.clip.variants.base import DenseVariant, VariantInput, register_variant


def compute(inputs: VariantInput) -> torch.Tensor:
    """X + attention(x), then the feed-forward: open_clip's own tokens."""
    return inputs.to_text_space(inputs.last_block.forward(inputs.tokens))


NONE = register_variant(DenseVariant("none", "CLIP (Radford et al., ICML 2021)", compute))
