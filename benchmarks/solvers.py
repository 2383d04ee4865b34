"""Eigenvectors of the normalized cut by ovseg and by SciPy's dense and iterative solvers, timed by turns."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse.linalg as sparse
import torch
from torch import Tensor

from ovseg.device import limit_threads
from ovseg.discovery.affinity import build_affinity
from ovseg.discovery.eigen import eigenvectors, second_eigenvectors
from ovseg.memory import peak_bytes

__all__ = [
    "SOLVERS",
    "Timing",
    "made_up_features",
    "peak_memory",
    "time_batch",
    "time_solvers",
]

Vector = npt.NDArray[np.floating[Any]]

TURN = 10
"""Images that a solver takes in a row, as a run over a folder does; the call that wakes its threads, before
them, is not counted."""


@dataclass(frozen=True)
class Timing:
    """One line of the table.

    Attributes:
        solver: Which.
        patches: N.
        images: How many were solved.
        seconds: Median time of an image, from features to eigenvector.
        speedup: Of the dense reference's median over this one's.
        agreement: Smallest IoU of the bipartition at the mean with the reference's, over the images; of the
            worse side.
    """

    solver: str
    patches: int
    images: int
    seconds: float
    speedup: float
    agreement: float


def _dense_affinity(features: Tensor, tau: float, epsilon: float) -> Vector:
    unit = torch.nn.functional.normalize(features.float(), dim=1)
    return np.where((unit @ unit.T).numpy() > tau, 1.0, epsilon)


def _dense(features: Tensor, tau: float, epsilon: float) -> Vector:
    """The generalized problem as TokenCut solves it: SciPy's dense ``eigh`` in float64."""
    weights = _dense_affinity(features, tau, epsilon)
    degree = np.diag(weights.sum(axis=1))
    _, vectors = scipy.linalg.eigh(degree - weights, degree, subset_by_index=[1, 2])
    found: Vector = vectors[:, 0]
    return found


def _normalized(features: Tensor, tau: float, epsilon: float) -> tuple[Vector, Vector]:
    weights = _dense_affinity(features, tau, epsilon).astype(np.float32)
    root = np.sqrt(weights.sum(axis=1))
    return weights / np.outer(root, root), root


def _arpack(features: Tensor, tau: float, epsilon: float) -> Vector:
    """SciPy's ``eigsh`` (implicitly restarted Lanczos) on the normalized affinity, float32."""
    matrix, root = _normalized(features, tau, epsilon)
    start = np.random.default_rng(0).standard_normal(len(root)).astype(np.float32)
    _, vectors = sparse.eigsh(matrix, k=2, which="LA", tol=1e-4, v0=start)
    found: Vector = vectors[:, 0] / root
    return found


def _lobpcg(features: Tensor, tau: float, epsilon: float) -> Vector:
    """SciPy's ``lobpcg`` on the normalized affinity with the known vector as constraint, float32."""
    matrix, root = _normalized(features, tau, epsilon)
    start = np.random.default_rng(0).standard_normal((len(root), 1)).astype(np.float32)
    known = (root / np.linalg.norm(root))[:, None].astype(np.float32)
    _, vectors = sparse.lobpcg(matrix, start, Y=known, tol=1e-3, maxiter=100, largest=True)
    found: Vector = vectors[:, 0] / root
    return found


def _ours(features: Tensor, tau: float, epsilon: float) -> Vector:
    found: Vector = second_eigenvectors(features[None], tau, epsilon)[0].numpy()
    return found


SOLVERS: dict[str, Callable[[Tensor, float, float], Vector]] = {
    "dense eigh": _dense,
    "ARPACK": _arpack,
    "LOBPCG": _lobpcg,
    "ovseg": _ours,
}
"""(N, D) features, tau and epsilon to (N,); the first is the reference."""


def time_solvers(
    images: Sequence[Tensor], tau: float, epsilon: float, *, tick: Callable[[], None] = lambda: None
) -> list[Timing]:
    """Time every solver on every image, in one process, by turns: what else the machine does meets them all.

    Args:
        images: (N, D) features each, of one N.
        tau: Threshold of the affinity.
        epsilon: Its floor.
        tick: Called after each image.
    """
    seconds: dict[str, list[float]] = {name: [] for name in SOLVERS}
    alike: dict[str, list[float]] = {name: [] for name in SOLVERS}
    for start in range(0, len(images), TURN):
        turn = images[start : start + TURN]
        reference: list[npt.NDArray[np.bool_]] = []
        for name, solve in SOLVERS.items():
            solve(turn[0], tau, epsilon)
            for number, features in enumerate(turn):
                clock = time.perf_counter()
                vector = solve(features, tau, epsilon)
                seconds[name].append(time.perf_counter() - clock)
                side = vector > vector.mean()
                if len(reference) < len(turn):  # the first solver's turn
                    reference.append(side)
                alike[name].append(sides_iou(reference[number], side))
        for _ in turn:
            tick()
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    slowest = next(iter(medians.values()))
    patches = int(images[0].shape[0])
    return [
        Timing(name, patches, len(images), median, slowest / median, min(alike[name]))
        for name, median in medians.items()
    ]


def made_up_features(patches: int, length: int = 384, *, seed: int = 0) -> Tensor:
    """(N, D) features whose likeness falls off over an oblong: one piece, with one best place to cut it."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(patches, 2, generator=generator) * torch.tensor([2.0, 1.0])
    directions = 3.0 * torch.randn(2, length, generator=generator)
    phases = 2 * math.pi * torch.rand(length, generator=generator)
    return torch.cos(places @ directions + phases)


def time_batch(features: Tensor, tau: float, epsilon: float, *, repeats: int = 5) -> float:
    """Seconds an image of a (B, N, D) batch on its device, median over repeats."""
    times = []
    for _ in range(repeats + 1):
        clock = time.perf_counter()
        second_eigenvectors(features, tau, epsilon).cpu()  # the copy waits for the device
        times.append(time.perf_counter() - clock)
    return float(np.median(times[1:])) / len(features)


def sides_iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """IoU of two bipartitions of the same patches: of the worse side, sides matched the better way."""

    def iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
        union = int((a | b).sum())
        return float((a & b).sum() / union) if union else 1.0

    return max(min(iou(one, other), iou(~one, ~other)), min(iou(one, ~other), iou(~one, other)))


def peak_memory(patches: int, length: int = 384, tau: float = 0.4) -> tuple[int, float]:
    """Solve one image of many patches in a process of its own.

    Returns:
        Peak memory of that process in bytes, libraries included, and seconds from features to eigenvector.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_solve_large, args=(sender, patches, length, tau, torch.get_num_threads())
    )
    process.start()
    sender.close()
    try:
        peak, seconds = receiver.recv()
    finally:
        process.join()
    return int(peak), float(seconds)


def _solve_large(sender: Any, patches: int, length: int, tau: float, threads: int) -> None:
    limit_threads(threads)
    features = made_up_features(patches, length)
    clock = time.perf_counter()
    eigenvectors(build_affinity(features[None], tau, 1e-5))
    seconds = time.perf_counter() - clock
    sender.send((peak_bytes() or 0, seconds))
