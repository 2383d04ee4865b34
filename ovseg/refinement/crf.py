"""Fully connected CRF (Krähenbühl & Koltun, NeurIPS 2011) through the optional pydensecrf2."""

from __future__ import annotations

import numpy as np
import torch

from ovseg.errors import DependencyMissing

ITERATIONS = 10
"""Steps of mean-field inference, as in ReCo."""


def dense_crf(image: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Refine scores by mean-field inference with the settings usual in the field (ReCo, NeurIPS 2022).

    Gaussian: weight 3, 1 px. Bilateral: weight 4, 67 px, 3 grey levels.

    Args:
        image: (3, H, W) float in [0, 1].
        scores: (K, H, W) float in [0, 1].

    Returns:
        (K, H, W) float32 probabilities.

    Raises:
        DependencyMissing: pydensecrf2 is not installed.
    """
    try:
        from pydensecrf.densecrf import DenseCRF2D
    except ImportError as error:
        raise DependencyMissing(
            "refine='crf' needs pydensecrf2: run  pip install 'ovseg[crf]'", parameters=["refine"]
        ) from error
    classes, height, width = scores.shape
    unary = -np.log(np.clip(scores.cpu().numpy(), 1e-5, 1)).reshape(classes, -1).astype(np.float32)
    pixels = np.ascontiguousarray((image.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8))
    crf = DenseCRF2D(width, height, classes)
    crf.setUnaryEnergy(np.ascontiguousarray(unary))
    crf.addPairwiseGaussian(sxy=1, compat=3)
    crf.addPairwiseBilateral(sxy=67, srgb=3, rgbim=pixels, compat=4)
    result = np.array(crf.inference(ITERATIONS), dtype=np.float32).reshape(classes, height, width)
    return torch.from_numpy(result).to(scores.device)
