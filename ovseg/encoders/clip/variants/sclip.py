"""``sclip``: correlative self-attention.

Wang, Mei, Yuille, "SCLIP: Rethinking Self-Attention for Dense Vision-Language Inference", ECCV 2024,
"Correlative Self-Attention"::

    A = softmax(q qᵀ / sqrt(d)) + softmax(k kᵀ / sqrt(d));   y = x + out(A v);   z = y + mlp(ln(y))

The two attentions are added, not averaged.
"""

from __future__ import annotations

import torch

from ovseg.encoders.clip.variants.base import Before, DenseVariant, attend, file_variant


def compute(before: Before) -> torch.Tensor:
    """See the module's text."""
    query, key, value = before.last.project(before.tokens)
    mixture = attend(query, query, value) + attend(key, key, value)
    tokens = before.tokens + before.last.merge(mixture)
    return before.words(tokens + before.last.feed_forward(tokens))


SCLIP = file_variant(DenseVariant("sclip", "SCLIP (Wang et al., ECCV 2024)", compute))
