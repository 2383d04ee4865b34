"""``none``: the last block as it was trained; its tokens go the way of the class token."""

from __future__ import annotations

import torch

from ovseg.encoders.clip.variants.base import Before, DenseVariant, file_variant


def compute(before: Before) -> torch.Tensor:
    """X + attention(x), then the feed-forward: open_clip's own tokens."""
    return before.words(before.last.whole(before.tokens))


NONE = file_variant(DenseVariant("none", "CLIP (Radford et al., ICML 2021)", compute))
