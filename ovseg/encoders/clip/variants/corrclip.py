"""``corrclip``: correlation within segments of our own normalized cut, and two further branches.

After Zhang et al., "CorrCLIP: Reconstructing Patch Correlations in CLIP for Open-Vocabulary Semantic
Segmentation", ICCV 2025. A cell attends to the cells of its own segment only, by the correlation of q + k of
a DINO-family encoder's last block::

    S = cos(q_i + k_i, q_j + k_j);   other segments: no attention;   A = softmax(4 S)
    main = out(A v(x));   spatial = out(A v(x'));   words(main) + words(spatial) + words(class token) / 2

x enters the last block; x', of the spatial branch, is the mean of what enters the blocks before it (5 of 12,
12 of 24). The semantic branch gives each cell the class token of its segment: one that sees, in every block,
the image's class token and the cells of its segment. Towers without class token (SigLIP) have no such branch.

The paper takes segments from SAM 2 or a supervised entity segmenter, and merges those that are alike; here
they are spectral segments of the same image (`ovseg.discovery.spectral_segments`) on the encoder's values,
as many as its eigenvalues tell apart, so no masks were ever learned. The paper's last step, one label for
each segment by majority, is left to refinement.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ovseg.encoders.clip.tower import Grid
from ovseg.encoders.clip.variants.base import Before, DenseVariant, file_variant, mixed

SHARPNESS = 4.0
SPATIAL, SEMANTIC = 1.0, 0.5
"""Weights of the two further branches."""
_LOWER = {12: 5, 24: 12, 32: 28}
"""Blocks of the spatial branch, by the tower's; all but the four last of towers of other depths."""


def compute(before: Before) -> torch.Tensor:
    """See the module's text."""
    correlated = before.guide[(-1, "query")].float() + before.guide[(-1, "key")].float()
    unit = F.normalize(correlated.flatten(1, 2), dim=-1)
    grid = (int(correlated.shape[1]), int(correlated.shape[2]))
    segments = image_segments(before.guide[(-1, "value")]).to(unit.device)
    labels = segments.flatten(1)

    def weights(rows: slice) -> torch.Tensor:
        apart = labels[:, rows, None] != labels[:, None, :]
        similarity = SHARPNESS * (unit[:, rows] @ unit.transpose(1, 2))
        return torch.softmax(similarity.masked_fill(apart, -torch.inf), dim=-1)

    main, spatial = mixed(before, [before.tokens, lower_tokens(before)], weights, grid)
    words = main + SPATIAL * spatial
    if before.tower.prefix:
        words = words + SEMANTIC * segment_words(before, segments)
    return words


def image_segments(features: torch.Tensor) -> torch.Tensor:
    """(B, h, w, D) features to (B, h, w) int64 segments of each image."""
    from ovseg.discovery import spectral_segments

    return torch.from_numpy(np.stack([spectral_segments(image.float().cpu()) for image in features]))


def lower_tokens(before: Before) -> torch.Tensor:
    """(B, L, D): the mean of what enters the blocks before the last."""
    depth = len(before.entering)
    lower = before.entering[-1 - _LOWER.get(depth, max(1, depth - 4)) : -1] or before.entering[-1:]
    return torch.stack(list(lower)).mean(0)


def segment_words(before: Before, segments: torch.Tensor) -> torch.Tensor:
    """(B, h', w', E): for each cell of the guide the words of its segment's class token.

    Args:
        before: With the inputs of all blocks.
        segments: (B, h', w') int64 on the guide's grid. Those of the tower's own grid count, where small ones
            may be lost to their neighbours.
    """
    tower, grid = before.tower, (int(segments.shape[1]), int(segments.shape[2]))
    coarse = _nearest(segments, before.grid)
    inside = F.one_hot(coarse.flatten(1), int(segments.max()) + 1).transpose(1, 2).bool()
    seen = F.pad(inside, (tower.prefix, 0), value=True)[:, None]
    tokens = before.entering[0][:, :1].expand(-1, inside.shape[1], -1)
    for block, entering in zip(tower.blocks, before.entering, strict=True):
        query, _, _ = block.project(tokens)
        _, key, value = block.project(entering)
        tokens = tokens + block.merge(F.scaled_dot_product_attention(query, key, value, attn_mask=seen))
        tokens = tokens + block.feed_forward(tokens)
    words = tower.to_words(tokens)
    return torch.stack([one[where] for one, where in zip(words, _nearest(coarse, grid), strict=True)])


def _nearest(segments: torch.Tensor, grid: Grid) -> torch.Tensor:
    """(B, h, w) int64 on another grid."""
    return F.interpolate(segments[:, None].float(), size=grid, mode="nearest")[:, 0].long()


CORRCLIP = file_variant(
    DenseVariant(
        "corrclip",
        "after CorrCLIP (Zhang et al., ICCV 2025)",
        compute,
        guide=((-1, "query"), (-1, "key"), (-1, "value")),
        all_blocks=True,
    )
)
