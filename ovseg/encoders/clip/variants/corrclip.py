"""``corrclip``: correlation within segments of our own normalized cut.

After Zhang et al., "CorrCLIP: Reconstructing Patch Correlations in CLIP for Open-Vocabulary Semantic
Segmentation", ICCV 2025, scope and value reconstruction: a cell attends to the cells of its own segment only,
by the correlation of q + k of a DINO-family encoder's last block::

    S = cos(q_i + k_i, q_j + k_j);   other segments: no attention;   z = out(softmax(4 S) v)

The paper takes segments from SAM 2 or a supervised entity segmenter; here they are spectral segments of the
same image (`ovseg.discovery.spectral_segments`) on the encoder's values, so no masks were ever learned. Its
two further branches (lower layers; a class token per mask) are left out.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ovseg.encoders.clip.variants.base import Before, DenseVariant, file_variant, mixed

SHARPNESS = 4.0


def compute(before: Before) -> torch.Tensor:
    """See the module's text."""
    correlated = before.guide[(-1, "query")].float() + before.guide[(-1, "key")].float()
    unit = F.normalize(correlated.flatten(1, 2), dim=-1)
    segments = image_segments(before.guide[(-1, "value")]).flatten(1).to(unit.device)

    def weights(rows: slice) -> torch.Tensor:
        apart = segments[:, rows, None] != segments[:, None, :]
        similarity = SHARPNESS * (unit[:, rows] @ unit.transpose(1, 2))
        return torch.softmax(similarity.masked_fill(apart, -torch.inf), dim=-1)

    return mixed(before, weights, (int(correlated.shape[1]), int(correlated.shape[2])))


def image_segments(features: torch.Tensor) -> torch.Tensor:
    """(B, h, w, D) features to (B, h, w) int64 segments of each image."""
    from ovseg.discovery import spectral_segments

    return torch.from_numpy(np.stack([spectral_segments(image.float().cpu()) for image in features]))


CORRCLIP = file_variant(
    DenseVariant(
        "corrclip",
        "after CorrCLIP (Zhang et al., ICCV 2025)",
        compute,
        guide=((-1, "query"), (-1, "key"), (-1, "value")),
    )
)
