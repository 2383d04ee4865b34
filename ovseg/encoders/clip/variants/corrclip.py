"""``corrclip``: correlation within segments of our own normalized cut, and two further branches.

After Zhang et al., "CorrCLIP: Reconstructing Patch Correlations in CLIP for Open-Vocabulary Semantic
Segmentation", ICCV 2025. A patch attends to the patches of its own segment only, by the correlation of q + k
of a DINO-family encoder's last block::

    S = cos(q_i + k_i, q_j + k_j);   other segments: no attention;   A = softmax(4 S)
    main = out(A v(x));   spatial = out(A v(x'));   words(main) + words(spatial) + words(class token) / 2

x enters the last block; x', of the spatial branch, is the mean of what enters the blocks before it (5 of 12,
12 of 24). The semantic branch gives each patch the class token of its segment: one that sees, in every block,
the image's class token and the patches of its segment. Towers without class token (SigLIP) have no such
branch.

The paper takes segments from SAM 2 or a supervised entity segmenter, and merges those that are alike; here
they are spectral segments of the same image (`ovseg.discovery.spectral_segments`) on the encoder's values,
as many as its eigenvalues tell apart, so no masks were ever learned. The paper's last step, one label for
each segment by majority, is no part of the features; `ovseg.matching.fusion` has a softer form.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ovseg.encoders.clip.tower import Grid
from ovseg.encoders.clip.variants.base import DenseVariant, VariantInput, attend, mix_values, register_variant

SHARPNESS = 4.0
"""Inverse temperature of the softmax over correlations."""
SPATIAL, SEMANTIC = 1.0, 0.5
"""Weights of the two further branches."""
_LOWER = {12: 5, 24: 12, 32: 28}
"""Blocks of the spatial branch, by the tower's; all but the four last of towers of other depths."""


def compute(inputs: VariantInput) -> torch.Tensor:
    """See the module's text."""
    correlated = inputs.proxy_features[(-1, "query")].float() + inputs.proxy_features[(-1, "key")].float()
    unit = F.normalize(correlated.flatten(1, 2), dim=-1)
    grid = (int(correlated.shape[1]), int(correlated.shape[2]))
    segments = image_segments(inputs.proxy_features[(-1, "value")]).to(unit.device)
    labels = segments.flatten(1)

    def weights(rows: slice) -> torch.Tensor:
        apart = labels[:, rows, None] != labels[:, None, :]
        similarity = SHARPNESS * (unit[:, rows] @ unit.transpose(1, 2))
        return torch.softmax(similarity.masked_fill(apart, -torch.inf), dim=-1)

    coarse = _nearest(segments, inputs.grid)
    tokens, lower, of_segments = through_blocks(inputs, coarse)
    main, spatial = mix_values(inputs, [tokens, lower], weights, grid)
    words = main + SPATIAL * spatial
    if of_segments is not None:
        semantic = inputs.tower.to_text_space(of_segments)
        labels_of_cells = _nearest(coarse, grid)
        words = words + SEMANTIC * torch.stack([w[c] for w, c in zip(semantic, labels_of_cells, strict=True)])
    return words


def image_segments(features: torch.Tensor) -> torch.Tensor:
    """(B, h, w, D) features to (B, h, w) int64 segments of each image."""
    from ovseg.discovery import spectral_segments

    return torch.from_numpy(np.stack([spectral_segments(image.float().cpu()) for image in features]))


def through_blocks(
    inputs: VariantInput, segments: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """All tokens up to the last block, and the segments' class tokens through it.

    Args:
        inputs: With what enters the first block.
        segments: (B, h, w) int64 on the tower's grid.

    Returns:
        (B, L, D) which enter the last block; (B, L, D) mean of what enters the blocks before it; and
        (B, S, D) class tokens after the last block, or None: the tower has none.
    """
    tower, tokens = inputs.tower, inputs.tokens
    inside = F.one_hot(segments.flatten(1), int(segments.max()) + 1).transpose(1, 2).bool()
    seen = F.pad(inside, (tower.prefix, 0), value=True)[:, None]
    classes = tokens[:, :1].expand(-1, inside.shape[1], -1) if tower.prefix else None
    depth = len(tower.blocks)
    used = min(_LOWER.get(depth, max(1, depth - 4)), max(1, depth - 1))
    lower = torch.zeros_like(tokens)
    for index, block in enumerate(tower.blocks):
        last = index == depth - 1
        if depth - 1 - used <= index and (not last or depth == 1):
            lower = lower + tokens / used
        query, key, value = block.qkv(tokens)
        if classes is not None:
            asking, _, _ = block.qkv(classes)
            found = F.scaled_dot_product_attention(asking, key, value, attn_mask=seen)
            classes = classes + block.attention_output(found)
            classes = classes + block.mlp(classes)
        if not last:
            tokens = tokens + block.attention_output(attend(query, key, value))
            tokens = tokens + block.mlp(tokens)
    return tokens, lower, classes


def _nearest(segments: torch.Tensor, grid: Grid) -> torch.Tensor:
    """(B, h, w) int64 on another grid."""
    return F.interpolate(segments[:, None].float(), size=grid, mode="nearest")[:, 0].long()


CORRCLIP = register_variant(
    DenseVariant(
        "corrclip",
        "after CorrCLIP (Zhang et al., ICCV 2025)",
        compute,
        proxy_keys=((-1, "query"), (-1, "key"), (-1, "value")),
        from_first=True,
    )
)
