"""``clearclip``: query-query attention, without residual and feed-forward.

Lan et al., "ClearCLIP: Decomposing CLIP Representations for Dense Vision-Language Inference", ECCV 2024:
the residual of the last block carries the noise, and the feed-forward helps little::

    z = out(softmax(q qᵀ / sqrt(d)) v)
"""

from __future__ import annotations

import torch

from ovseg.encoders.clip.variants.base import DenseVariant, VariantInput, attend, register_variant


def compute(inputs: VariantInput) -> torch.Tensor:
    """See the module's text."""
    query, _, value = inputs.last_block.qkv(inputs.tokens)
    return inputs.to_text_space(inputs.last_block.attention_output(attend(query, query, value)))


CLEARCLIP = register_variant(DenseVariant("clearclip", "ClearCLIP (Lan et al., ECCV 2024)", compute))
