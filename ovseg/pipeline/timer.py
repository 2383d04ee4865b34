"""Measure the seconds spent in encoders."""

from __future__ import annotations

from types import TracebackType

import torch

from ovseg.device import now


class Timer:
    """Adds up the time of ``with`` blocks; on CUDA it waits for the device at both ends.

    Attributes:
        seconds: The sum so far.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds = 0.0
        self._device = device
        self._start = 0.0

    def __enter__(self) -> None:
        self._start = now(self._device)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += now(self._device) - self._start
