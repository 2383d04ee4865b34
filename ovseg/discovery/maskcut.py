"""Many objects by cutting again and again (MaskCut of CutLER, Wang et al., CVPR 2023, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ovseg.discovery.affinity import Affinity
from ovseg.discovery.bipartition import bipartition, component, foreground_side, ncut_values
from ovseg.discovery.config import DiscoveryConfig
from ovseg.discovery.eigen import eigenvectors

__all__ = ["Cut", "maskcut"]

UNIFORM = 0.999
"""Second eigenvalue from which a graph has no structure: all patches agree, as in a blank image."""


@dataclass(frozen=True)
class Cut:
    """What one round found.

    Attributes:
        mask: (h, w), the object.
        foreground: (h, w), all of its side.
        vector: (h, w) eigenvector, 0 where earlier rounds found something; positive on the object's side.
        eigenvalue: λ of the round's graph, in [0, 2].
        ncut: N-cut value of the bipartition.
        gap: Distance to the next eigenvalue.
    """

    mask: npt.NDArray[np.bool_]
    foreground: npt.NDArray[np.bool_]
    vector: npt.NDArray[np.float32]
    eigenvalue: float
    ncut: float
    gap: float


def maskcut(
    affinity: Affinity,
    shape: tuple[int, int],
    config: DiscoveryConfig,
    saliency: npt.NDArray[np.float32] | None = None,
) -> list[Cut]:
    """Find up to ``config.rounds`` objects, each in what the ones before left over.

    A round's patches are taken out of the graph before the next, rather than given features of zero as the
    paper does: they then weigh on no degree and no mean, later masks cannot overlap earlier ones, and the
    affinity is built once. Masks of at most ``config.min_area`` are not returned, but taken out as well.

    Args:
        affinity: Of one image with N = h * w patches.
        shape: (h, w).
        config: Rounds, threshold and sizes.
        saliency: (h, w) in [0, 1], if there is a map.
    """
    found: list[Cut] = []
    keep = torch.ones(1, affinity.size, dtype=torch.bool, device=affinity.device)
    for _ in range(config.rounds):
        if int(keep.sum()) < 4:
            break
        pairs = eigenvectors(affinity, keep=keep, config=config.eigen)
        value = float(pairs.values[0, 0])
        if value > UNIFORM:
            break
        flat = bipartition(affinity, pairs.vectors[..., 0], keep, split=config.split)
        vector = pairs.vectors[0, :, 0].reshape(shape).cpu().numpy()
        kept = keep[0].reshape(shape).cpu().numpy()
        side = foreground_side(vector, flat[0].reshape(shape).cpu().numpy(), kept, saliency)
        mask = component(side, vector, saliency)
        chosen = torch.from_numpy(mask.reshape(1, -1)).to(keep.device)
        if mask.sum() > config.min_area * mask.size:
            ncut = float(ncut_values(affinity, flat[..., None], keep)[0, 0])
            rest = kept & ~side
            up = vector[side].mean() >= (vector[rest].mean() if rest.any() else 0)
            found.append(Cut(mask, side, vector if up else -vector, value, ncut, float(pairs.gap[0])))
        keep = keep & ~chosen
    return found
