"""Small changes of training pictures that leave what is on them as it is."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

MEAN, STD = (0.5, 0.5, 0.5), (0.27, 0.27, 0.27)
"""With which the world's models normalise pictures."""


def tinted(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """(B, 3, S, S) in [0, 1] to normalised pictures, each tinted a little; some a little blurred."""
    count = len(images)
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (count, 3, 1, 1))).float()
    shift = torch.from_numpy(rng.uniform(-0.08, 0.08, (count, 3, 1, 1))).float()
    images = (images * gain + shift).clamp(0, 1)
    soft = torch.from_numpy(rng.random(count) < 0.3)
    images[soft] = F.avg_pool2d(F.pad(images[soft], (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (images - MEAN[0]) / STD[0]
