"""Segments of an image from several eigenvectors (spectral clustering, von Luxburg 2007, section 4)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from torch import Tensor

from ovseg.discovery.affinity import image_affinity
from ovseg.discovery.config import DiscoveryConfig
from ovseg.discovery.eigen import eigenvectors

__all__ = ["connected_regions", "eigengap", "spectral_segments"]


def eigengap(values: npt.NDArray[np.float64]) -> int:
    """Number of segments by the eigengap heuristic: as many as there are eigenvalues before the widest gap.

    Args:
        values: (k,) eigenvalues in ascending order without the first, which is 0.

    Returns:
        From 1 to k: before the widest gap lie so many eigenvalues, 0 included. Values beyond 1 are noise (the
        eigenvalues of a random graph gather around 1) and do not count.
    """
    known = np.minimum(np.concatenate(([0.0], values)), 1.0)
    return int(np.diff(known).argmax()) + 1


def spectral_segments(
    features: Tensor,
    *,
    segments: int | None = None,
    most: int = 16,
    seed: int = 0,
    config: DiscoveryConfig | None = None,
) -> npt.NDArray[np.int64]:
    """Group the patches of an image.

    Args:
        features: (h, w, D).
        segments: How many; by default what the widest eigengap says, from 1 to ``most``.
        most: Most segments where the number is left open.
        seed: Of k-means.
        config: For tau, epsilon and the eigenvectors.

    Returns:
        (h, w) int64, labels from 0, numbered in reading order of their first patches.

    Raises:
        ValueError: ``segments`` or ``most`` is below 1, or features are no features (see `image_affinity`).
    """
    if most < 1 or (segments is not None and segments < 1):
        raise ValueError(f"expected at least 1 segment, got segments={segments}, most={most}")
    if features.ndim != 3 or 0 in features.shape:
        raise ValueError(f"expected features of shape (h, w, D), none of them 0, got {tuple(features.shape)}")
    config = config or DiscoveryConfig()
    h, w = int(features.shape[0]), int(features.shape[1])
    affinity = image_affinity(features, config)
    wanted = min(segments or most, h * w)
    # One eigenvalue beyond the last segment, or its gap would not be seen.
    pairs = eigenvectors(affinity, max(1, wanted), config=config.eigen)
    count = min(segments or eigengap(pairs.values[0].numpy()), h * w)
    if count == 1:
        return np.zeros((h, w), np.int64)
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    embedding = pairs.vectors[0, :, : count - 1].double().cpu().numpy()
    # Vectors come at unit length in the inner product of the degrees; those of small parts of the image have
    # large entries. Unit deviation gives every part the same say.
    embedding = embedding / np.maximum(embedding.std(axis=0), 1e-12)
    distinct = len(np.unique(embedding, axis=0))
    # Several threads would add up the clusters in the order in which they happen to finish.
    with threadpool_limits(limits=1):
        found = KMeans(min(count, distinct), n_init=4, random_state=seed).fit_predict(embedding)
    order = {label: rank for rank, label in enumerate(dict.fromkeys(found.tolist()))}
    return np.array([order[label] for label in found.tolist()], np.int64).reshape(h, w)


def connected_regions(segments: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give every connected piece (4 neighbours) of a segment a number of its own.

    Args:
        segments: (h, w), labels from 0.

    Returns:
        (h, w) int64, labels from 0: the pieces of the first segment, then those of the next.
    """
    pieces, first = np.zeros(segments.shape, np.int64), 0
    for segment in np.unique(segments):
        here = segments == segment
        numbers, count = ndimage.label(here)
        pieces[here] = numbers[here] - 1 + first
        first += count
    return pieces
