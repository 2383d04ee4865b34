"""``proxyclip``: attention weights are similarities of a DINO-family backbone (proxy attention).

Lan et al., "ProxyCLIP: Proxy Attention Improves CLIP for Open-Vocabulary Segmentation", ECCV 2024, proxy
attention with adaptive normalization and masking, with the authors' settings, on the backbone's grid, to
which the values are resampled::

    S = cos(f_i, f_j);   S <- (S - beta mean(S)) gamma;   S < 0: no attention;   z = out(softmax(S) v)

with f its last tokens, beta = 1.2, gamma = 3, without residual and feed-forward. The mean is over one image.
Where it is so high that not even a patch itself would be left (an image of one colour), nothing is masked;
the formula gives 0 / 0 there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ovseg.encoders.clip.variants.base import DenseVariant, VariantInput, mix_values, register_variant

BETA, GAMMA = 1.2, 3.0
"""Factor on the mean that is subtracted, and on what is left (the authors' settings)."""


def compute(inputs: VariantInput) -> torch.Tensor:
    """See the module's text."""
    tokens = inputs.proxy_features[(-1, "token")]
    unit = F.normalize(tokens.flatten(1, 2).float(), dim=-1)
    # The mean of all cosines is the squared length of the mean direction: no (N, N) matrix for it.
    level = BETA * unit.mean(1).square().sum(-1)[:, None, None]

    def weights(rows: slice) -> torch.Tensor:
        similarity = (unit[:, rows] @ unit.transpose(1, 2) - level) * GAMMA
        return torch.softmax(similarity.masked_fill((similarity < 0) & (level < 1), -torch.inf), dim=-1)

    return mix_values(inputs, [inputs.tokens], weights, (int(tokens.shape[1]), int(tokens.shape[2])))[0]


PROXYCLIP = register_variant(
    DenseVariant("proxyclip", "ProxyCLIP (Lan et al., ECCV 2024)", compute, proxy_keys=((-1, "token"),))
)
