"""``sclip``: correlative self-attention.

Wang, Mei, Yuille, "SCLIP: Rethinking Self-Attention for Dense Vision-Language Inference", ECCV 2024,
"Correlative Self-Attention"::

    A = softmax(q qᵀ / sqrt(d)) + softmax(k kᵀ / sqrt(d));   y = x + out(A v);   z = y + mlp(ln(y))

The two attentions are added, not averaged.
"""

from __future__ import annotations

import torch

from ovseg.encoders.clip.variants.base import DenseVariant, VariantInput, attend, register_variant


def compute(inputs: VariantInput) -> torch.Tensor:
    """See the module's text."""
    query, key, value = inputs.last_block.qkv(inputs.tokens)
    mixture = attend(query, query, value) + attend(key, key, value)
    tokens = inputs.tokens + inputs.last_block.attention_output(mixture)
    return inputs.to_text_space(tokens + inputs.last_block.mlp(tokens))


SCLIP = register_variant(DenseVariant("sclip", "SCLIP (Wang et al., ECCV 2024)", compute))
