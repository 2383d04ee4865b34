"""Patches into vectors: masked means, and clusters of patches."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["agreement_weights", "cluster_patches", "masked_mean", "part_count", "unit"]

Floats = npt.NDArray[np.float32]

SAMPLE = 8192
"""Patches of which clusters are found at most; the others join the nearest."""


def unit(vectors: Floats) -> Floats:
    """(…, D) vectors at unit length; a vector of zeros stays one."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    scaled: Floats = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled


def masked_mean(patches: Floats, mask: npt.NDArray[np.bool_], weights: Floats | None = None) -> Floats:
    """Mean direction of the patches in a mask: OVDiff's prototype (Karazija et al., ECCV 2024, section 3.2).

    Args:
        patches: (N, D) unit-length features.
        mask: (N,) bool, at least one patch.
        weights: (N,) not negative, how much each patch counts; all the same by default.

    Returns:
        (D,) float32 of unit length.

    Raises:
        ValueError: No patch in the mask, or patches that cancel each other out.
    """
    chosen = patches[mask].astype(np.float64)
    if not len(chosen):
        raise ValueError("there is no cell in the mask")
    share = np.ones(len(chosen)) if weights is None else weights[mask].astype(np.float64)
    mean = share @ chosen
    length = np.linalg.norm(mean)
    if not length > 1e-9 * max(1.0, float(share.sum())):
        raise ValueError("the cells in the mask have no common direction")
    return (mean / length).astype(np.float32)


def agreement_weights(means: Floats) -> Floats:
    """How much each image of a class is like the others: outvoted images count less in the class mean.

    Args:
        means: (M, D) unit-length means of M images.

    Returns:
        (M,) float32 in [0, 1], the mean cosine to the other images over the highest such mean; all 1 for one
        or two images, and where no two of them agree at all.
    """
    count = len(means)
    if count <= 2:
        return np.ones(count, np.float32)
    cosines = means.astype(np.float64) @ means.T.astype(np.float64)
    others = (cosines.sum(1) - np.diagonal(cosines)) / (count - 1)
    best = float(others.max())
    if best <= 0:
        return np.ones(count, np.float32)
    weights: Floats = (np.clip(others, 0, None) / best).astype(np.float32)
    return weights


def part_count(patches: int, most: int, patches_per_part: int) -> int:
    """min(most, patches / patches_per_part), at least 1."""
    return max(1, min(most, patches // patches_per_part))


def cluster_patches(patches: Floats, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Group patches by k-means.

    Args:
        patches: (N, D) unit-length features, N at least 1.
        count: Clusters at most; there are never more than distinct patches.
        seed: Of the start, and of the patches that are drawn where there are more than ``SAMPLE``.

    Returns:
        (N,) int64 labels, numbered from 0 in the order of their first patches.
    """
    sample = patches
    if len(patches) > SAMPLE:
        drawn = np.random.default_rng(seed).choice(len(patches), SAMPLE, replace=False)
        sample = patches[np.sort(drawn)]
    # One of many equal patches is as good as another, and k-means warns where they leave clusters empty.
    distinct, copies = np.unique(sample, axis=0, return_counts=True)
    count = min(count, len(distinct))
    if count <= 1:
        return np.zeros(len(patches), np.int64)
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # Threads would add up the clusters in the order in which they happen to finish.
    with threadpool_limits(limits=1):
        means = KMeans(count, n_init=1, random_state=seed, max_iter=100).fit(distinct, sample_weight=copies)
        labels = means.predict(patches).tolist()
    order = {label: rank for rank, label in enumerate(dict.fromkeys(labels))}
    return np.array([order[label] for label in labels], np.int64)
