"""Where and in which precision is computed, by name; and what time it is there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ovseg.errors import UsageError

if TYPE_CHECKING:
    import torch


def resolve_device(name: str = "auto") -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` into a device that is there.

    Raises:
        UsageError: The name means nothing to torch, or the device is not on this machine.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    unknown = f"unknown device {name!r}: use auto, cpu, cuda, cuda:N or mps"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(unknown) from error
    if device.type not in ("cpu", "cuda", "mps"):  # torch has more names than this program has paths for
        raise UsageError(unknown)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"no device {name!r} here: torch sees {torch.cuda.device_count()} CUDA device(s)")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("no device 'mps' here: use device='auto'", parameters=["device"])
    return device


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """Turn ``auto``, ``float32``, ``bfloat16`` or ``float16`` into a dtype.

    ``auto`` is bfloat16 on CUDA devices that have it and float32 elsewhere.

    Raises:
        UsageError: Another name.
    """
    import torch

    if name == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in known:
        raise UsageError(f"unknown dtype {name!r}: use auto, {', '.join(known)}")
    return known[name]


def now(device: torch.device) -> float:
    """Seconds of a clock for differences, once a CUDA device has done all that it was given."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
    return time.perf_counter()


def limit_threads(threads: int) -> None:
    """Give torch and the BLAS of NumPy and SciPy as many CPU threads, until the process ends."""
    import torch
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    torch.set_num_threads(threads)
