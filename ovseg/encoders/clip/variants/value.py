"""``value``: every patch attends to itself only (MaskCLIP).

Zhou, Loy, Dai, "Extract Free Dense Labels from CLIP", ECCV 2022: queries and keys of the last attention are
dropped, and its value and output projections become convolutions of size 1. In a transformer the residual and
the feed-forward stay, as in the authors' ViT::

    y = x + out(v(ln(x)));   z = y + mlp(ln(y))
"""

from __future__ import annotations

import torch

from ovseg.encoders.clip.variants.base import DenseVariant, VariantInput, register_variant


def compute(inputs: VariantInput) -> torch.Tensor:
    """See the module's text."""
    _, _, value = inputs.last_block.qkv(inputs.tokens)
    tokens = inputs.tokens + inputs.last_block.attention_output(value)
    return inputs.to_text_space(tokens + inputs.last_block.mlp(tokens))


VALUE = register_variant(DenseVariant("value", "MaskCLIP (Zhou et al., ECCV 2022)", compute))
