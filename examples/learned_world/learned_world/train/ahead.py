"""What the steps of a training are made of, made ahead of them by other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from learned_world.train.loop import generator_of

Made = TypeVar("Made")


class _Steps(Dataset[Made], Generic[Made]):
    def __init__(self, make: Callable[[int, np.random.Generator], Made], seed: int) -> None:
        self._make, self._seed = make, seed

    def __getitem__(self, step: int) -> Made:
        return self._make(step, generator_of(self._seed, step))


def ahead(
    make: Callable[[int, np.random.Generator], Made], seed: int, steps: range, workers: int
) -> Iterator[Made]:
    """Yield ``make(step, rng)`` of each step, in order, the same for any number of workers.

    Args:
        make: Depends on the step and its generator alone, and draws nothing from ``torch``.
        seed: Of the training.
        steps: Which.
        workers: Processes that make them; 0: none, each is made when it is asked for.
    """
    found: Iterator[Made] = iter(
        DataLoader(
            _Steps(make, seed),
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_one_thread,
        )
    )
    return found


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
