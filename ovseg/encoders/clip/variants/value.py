"""``value``: every patch attends to itself alone (MaskCLIP).

Zhou, Loy, Dai, "Extract Free Dense Labels from CLIP", ECCV 2022: queries and keys of the last attention are
dropped, and its value and output projections become convolutions of size 1. In a transformer the residual and
the feed-forward stay, as in the authors' ViT::

    y = x + out(v(ln(x)));   z = y + mlp(ln(y))
"""

from __future__ import annotations

import torch

from ovseg.encoders.clip.variants.base import Before, DenseVariant, file_variant


def compute(before: Before) -> torch.Tensor:
    """See the module's text."""
    _, _, value = before.last.project(before.tokens)
    tokens = before.tokens + before.last.merge(value)
    return before.words(tokens + before.last.feed_forward(tokens))


VALUE = file_variant(DenseVariant("value", "MaskCLIP (Zhou et al., ECCV 2022)", compute))
