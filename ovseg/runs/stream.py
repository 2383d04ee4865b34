"""Images decoded ahead of their use, in order, in bounded memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovseg.errors import InputError
from ovseg.files import file_sha256
from ovseg.images import ImageFile, ImageLimits, LoadedImage, load_image

__all__ = ["Decoded", "Entry", "decoded_batches"]

Entry = tuple[int, ImageFile]
"""An image and its place among the inputs."""


@dataclass(frozen=True)
class Decoded:
    """An image on its way to the segmenter, or the reason why it stays behind.

    Attributes:
        index: Its place among the inputs.
        image: The image.
        source: Identity of the file: ``bytes``, ``modified`` (ns) and ``sha256``; empty where it failed.
        seconds: Time it took.
        loaded: Its pixels, None where it failed.
        error: One line that says why it failed.
    """

    index: int
    image: ImageFile
    source: dict[str, Any]
    seconds: float
    loaded: LoadedImage | None
    error: str = ""


def decoded_batches(
    pool: ThreadPoolExecutor, batches: Sequence[Sequence[Entry]], limits: ImageLimits, ahead: int
) -> Iterator[list[Decoded]]:
    """Decode batches in order, at least ``ahead`` images before they are asked for."""
    waiting: deque[list[Future[Decoded]]] = deque()
    for batch in batches:
        waiting.append([pool.submit(_decode, index, image, limits) for index, image in batch])
        if sum(map(len, waiting)) - len(waiting[0]) >= ahead:
            yield [future.result() for future in waiting.popleft()]
    while waiting:
        yield [future.result() for future in waiting.popleft()]


def _decode(index: int, image: ImageFile, limits: ImageLimits) -> Decoded:
    clock = time.perf_counter()
    try:
        loaded = load_image(image.path, working_pixels=limits.working_pixels, bomb_pixels=limits.bomb_pixels)
        source = _identity(image.path)
    except InputError as error:
        return Decoded(index, image, {}, time.perf_counter() - clock, None, str(error))
    return Decoded(index, image, source, time.perf_counter() - clock, loaded)


def _identity(path: Path) -> dict[str, Any]:
    """What tells later whether a file is still the one that was segmented."""
    try:
        status = path.stat()
        return {"bytes": status.st_size, "modified": status.st_mtime_ns, "sha256": file_sha256(path)}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
