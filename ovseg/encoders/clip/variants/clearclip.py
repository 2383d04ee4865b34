"""``clearclip``: query-query attention, without residual and feed-forward.

Lan et al., "ClearCLIP: Decomposing CLIP Representations for Dense Vision-Language Inference", ECCV 2024:
the residual of the last block carries the noise, and the feed-forward helps little::

    z = out(softmax(q qᵀ / sqrt(d)) v)
"""

from __future__ import annotations

import torch

from ovseg.encoders.clip.variants.base import Before, DenseVariant, attend, file_variant


def compute(before: Before) -> torch.Tensor:
    """See the module's text."""
    query, _, value = before.last.project(before.tokens)
    return before.words(before.last.merge(attend(query, query, value)))


CLEARCLIP = file_variant(DenseVariant("clearclip", "ClearCLIP (Lan et al., ECCV 2024)", compute))
