"""Where models are loaded to: the one place that knows device, dtype and cache folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from ovseg.device import resolve_device, resolve_dtype
from ovseg.weights.cache import default_cache_dir

__all__ = ["LoadContext"]


@dataclass(frozen=True)
class LoadContext:
    """What every loader of an encoder is given.

    Attributes:
        device: Where the encoder computes.
        dtype: Of its weights.
        cache_dir: Folder of converted weights and text embeddings; None: nothing is kept between runs.
    """

    device: torch.device = torch.device("cpu")  # noqa: RUF009 (immutable)
    dtype: torch.dtype = torch.float32
    cache_dir: Path | None = field(default_factory=default_cache_dir)

    @classmethod
    def resolve(
        cls, device: str = "auto", dtype: str = "auto", cache_dir: str | Path | None = None
    ) -> LoadContext:
        """Make a context of what users write.

        Args:
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
            dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
            cache_dir: A folder; None: the user's cache.

        Raises:
            UsageError: There is no such device or dtype.
        """
        place = resolve_device(device)
        return cls(place, resolve_dtype(dtype, place), Path(cache_dir) if cache_dir else default_cache_dir())
