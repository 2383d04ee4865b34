"""Build a pool: decode ahead in threads, encode in the calling thread, keep what is done in parts."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from ovseg.encoders.context import LoadContext
from ovseg.encoders.presets import Preset, open_preset
from ovseg.errors import BankMismatch, InputError, OutputError
from ovseg.files import file_sha256
from ovseg.images import ImageLimits, find_images, load_image
from ovseg.images.perceptual import image_hash
from ovseg.progress import Progress, Silent
from ovseg.runs.folder_lock import folder_lock
from ovseg.support.pool.config import PoolConfig
from ovseg.support.pool.file import (
    encoder_fingerprint,
    load_pool,
    pool_items,
    require_fingerprint,
    save_pool,
)
from ovseg.support.pool.model import Pool, PoolEntry, PoolItem, pool_of
from ovseg.support.pool.views import encode_views, view_boxes, views
from ovseg.work_store import WorkStore

__all__ = ["PoolSummary", "build_pool", "parts_folder"]

CPU_BATCH, GPU_BATCH = 8, 64
PART = 64
"""Photos a part: what a kill costs at most."""


@dataclass(frozen=True)
class PoolSummary:
    """What has come of a build.

    Attributes:
        path: The pool.
        pool: What is in it.
        encoded: Photos that were encoded now.
        removed: Photos of the pool before that are gone.
    """

    path: Path
    pool: Pool
    encoded: int
    removed: int


@dataclass(frozen=True)
class _Source:
    """A photo to be looked at."""

    root: int
    path: str
    file: Path


def parts_folder(out: Path) -> Path:
    """Where a build keeps what is done until the pool is whole."""
    return out.with_name(out.name + ".parts")


def build_pool(
    folders: Sequence[str | Path],
    out: str | Path,
    encoders: Preset | str = "auto",
    config: PoolConfig | None = None,
    *,
    licence: Callable[[str], str] = lambda path: "unknown",
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    recursive: bool = True,
    workers: int = 2,
    batch: int = 0,
    overwrite: bool = False,
    limits: ImageLimits | None = None,
    progress: Progress | None = None,
) -> PoolSummary:
    """Embed folders of photos, or bring a pool up to date with them.

    Only photos that are new or changed are encoded; those that are gone drop out. Whenever the process is
    killed, the same call goes on; the pool's bytes are those of an unbroken build.

    Args:
        folders: Searched for photos.
        out: The pool file.
        encoders: A preset, of which only the image-text encoder is used, or the name of one.
        config: What of each photo is encoded; default ``PoolConfig()``.
        licence: Licence of the photo at a path below its folder.
        include: See ``find_images``; so are ``exclude`` and ``recursive``.
        exclude: Of files and folders.
        recursive: Whether folders are searched to the bottom.
        workers: Threads that decode.
        batch: Squares a forward pass; 0: 8 on a CPU, 64 on a GPU.
        overwrite: Whether a pool of another encoder or other settings is replaced.
        limits: How large an image may be.
        progress: Is told how far the build is.

    Raises:
        UsageError: No photos.
        BankMismatch: ``out`` is something else, or a pool that does not fit.
        OutputError: ``out`` cannot be written, or another process is building it.
        InputError: No photo could be read.
    """
    config, out, places = config or PoolConfig(), Path(out), [Path(folder) for folder in folders]
    if isinstance(encoders, str):
        encoders = open_preset(encoders, LoadContext.resolve(), role="image_text").load("image_text")
    sources = list(_sources(places, include, exclude, recursive))
    parts = parts_folder(out)
    with contextlib.ExitStack() as stack:
        try:
            parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot use {parts}: {error.strerror}") from error
        stack.enter_context(folder_lock(parts))
        before = _existing(out, encoders, config, overwrite=overwrite)
        plan = {"encoder": encoder_fingerprint(encoders.image_text), "config": config.to_dict()}
        work = WorkStore(parts, plan, load=load_pool, save=lambda pool, path: save_pool(path, pool))
        roots = tuple(os.path.normpath(folder.absolute()) for folder in places)
        known = _Known([before, *work.values()], roots)
        build = _Build(
            work, encoders, config, roots, known, limits or ImageLimits(), batch, progress or Silent()
        )
        items, failed = build.run(sources, workers)
        if not items:
            raise InputError(f"none of {len(sources)} photos could be read; the first: {failed[0][2]}")
        items = [replace(i, entry=replace(i.entry, licence=licence(i.entry.path))) for i in items]
        pool = pool_of(items, roots, encoder_fingerprint(encoders.image_text), encoders.name, config, failed)
        save_pool(out, pool)
        # Only a whole pool ends the need for its parts.
        work.remove()
    kept = {(entry.root, entry.path) for entry in pool.entries}
    gone = 0 if before is None else sum((e.root, e.path) not in kept for e in before.entries)
    return PoolSummary(out, pool, build.encoded, gone)


def _sources(
    folders: Sequence[Path], include: Sequence[str], exclude: Sequence[str], recursive: bool
) -> Iterator[_Source]:
    for root, folder in enumerate(folders):
        # With a slash, since a folder may be called photos.png.
        found = find_images([f"{folder}{os.sep}"], include=include, exclude=exclude, recursive=recursive)
        for image in found:
            yield _Source(root, PurePosixPath(image.path.relative_to(folder)).as_posix(), image.path)


def _existing(out: Path, encoders: Preset, config: PoolConfig, *, overwrite: bool) -> Pool | None:
    """The pool that is at ``out``, if it can be brought up to date."""
    if not os.path.lexists(out):
        return None
    try:
        pool = load_pool(out)
    except BankMismatch:
        if overwrite and out.is_file():
            return None
        raise
    try:
        require_fingerprint(out, pool, encoders.image_text)
        if pool.config != config:
            raise BankMismatch(
                f"{out} was built with crops={pool.config.crops}: use the same, or overwrite=True",
                parameters=["crops", "overwrite"],
            )
    except BankMismatch:
        if overwrite:
            return None
        raise
    return pool


class _Known:
    """Photos that are encoded already, by place (in pools of the same folders) and by content."""

    def __init__(self, pools: Sequence[Pool | None], roots: tuple[str, ...]) -> None:
        self._places: dict[tuple[int, str], PoolItem] = {}
        self._contents: dict[str, PoolItem] = {}
        for pool in pools:
            for item in pool_items(pool) if pool is not None else ():
                if pool is not None and pool.roots == roots:
                    self._places[item.entry.root, item.entry.path] = item
                self._contents[item.entry.sha256] = item

    def unchanged(self, source: _Source) -> PoolItem | None:
        """The photo, if its file has not been touched."""
        item = self._places.get((source.root, source.path))
        with contextlib.suppress(OSError):
            status = source.file.stat()
            if item and (status.st_size, status.st_mtime_ns) == (item.entry.bytes, item.entry.modified):
                return item
        return None

    def same(self, sha256: str) -> PoolItem | None:
        """A photo of the same bytes, wherever it was."""
        return self._contents.get(sha256)


@dataclass(frozen=True)
class _Read:
    """A photo that a thread has looked at: known by its content, or its views to be encoded, or an error."""

    source: _Source
    entry: PoolEntry | None = None
    hash: int = 0
    squares: tuple[npt.NDArray[np.uint8], ...] = ()
    error: str = ""


class _Build:
    """One call of ``build_pool`` on an open store of parts."""

    def __init__(
        self,
        work: WorkStore[Pool],
        encoders: Preset,
        config: PoolConfig,
        roots: tuple[str, ...],
        known: _Known,
        limits: ImageLimits,
        batch: int,
        progress: Progress,
    ) -> None:
        self._work = work
        self._encoders = encoders
        self._config = config
        self._roots = roots
        self._known = known
        self._limits = limits
        self._batch = batch or (CPU_BATCH if encoders.device.type == "cpu" else GPU_BATCH)
        self._progress = progress
        self._boxes = view_boxes(config)
        self.encoded = 0

    def run(
        self, sources: Sequence[_Source], workers: int
    ) -> tuple[list[PoolItem], list[tuple[int, str, str]]]:
        """All photos with their features, and those that could not be read."""
        items: list[PoolItem] = []
        failed: list[tuple[int, str, str]] = []
        new: list[_Source] = []
        for source in sources:
            item = self._known.unchanged(source)
            if item is None:
                new.append(source)
            else:
                items.append(item)
        self._progress.start(len(sources), len(items))
        fresh: list[PoolItem] = []
        try:
            for group in self._read_groups(new, workers):
                for read in group:
                    if read.error:
                        failed.append((read.source.root, read.source.path, read.error))
                    self._progress.advance(read.error or None)
                fresh += self._items(group)
                if len(fresh) >= PART:
                    self._keep(fresh)
                    items += fresh
                    fresh = []
        except BaseException:
            # Ctrl-C too: what is encoded is kept.
            self._keep(fresh)
            raise
        return items + fresh, failed

    def _read_groups(self, sources: Sequence[_Source], workers: int) -> Iterator[list[_Read]]:
        """Photos decoded ahead, in groups that fill a batch."""
        size = max(1, self._batch // len(self._boxes))
        waiting: deque[list[Future[_Read]]] = deque()
        with ThreadPoolExecutor(workers, "ovseg-read") as readers:
            try:
                for start in range(0, len(sources), size):
                    waiting.append([readers.submit(self._read, s) for s in sources[start : start + size]])
                    if len(waiting) > max(1, workers // size) + 1:
                        yield [future.result() for future in waiting.popleft()]
                while waiting:
                    yield [future.result() for future in waiting.popleft()]
            finally:
                readers.shutdown(cancel_futures=True)

    def _read(self, source: _Source) -> _Read:
        """Look at a photo, in a thread."""
        try:
            status = source.file.stat()
            loaded = None
            sha256 = file_sha256(source.file) if source.file.is_file() else ""
            same = self._known.same(sha256)
            if same is None:
                loaded = load_image(
                    source.file,
                    working_pixels=self._limits.working_pixels,
                    bomb_pixels=self._limits.bomb_pixels,
                )
        except OSError as error:
            return _Read(source, error=f"cannot read {source.file}: {error.strerror}")
        except InputError as error:
            return _Read(source, error=str(error))
        entry = PoolEntry(source.root, source.path, sha256, status.st_size, status.st_mtime_ns, (1, 1))
        if loaded is None:
            return _Read(source, entry)
        squares = views(loaded.pixels, self._boxes, self._encoders.image_text.image_size)
        return _Read(source, replace(entry, size=loaded.size), image_hash(loaded.pixels), tuple(squares))

    def _items(self, group: Sequence[_Read]) -> list[PoolItem]:
        """Encode what is to be encoded of a group."""
        items = []
        squares = [square for read in group for square in read.squares]
        image_text, device = self._encoders.image_text, self._encoders.device
        features = encode_views(squares, image_text, device, self._batch) if squares else None
        for read in group:
            if read.entry is None:
                continue
            if features is not None and read.squares:
                mine, features = features[: len(read.squares)], features[len(read.squares) :]
                items.append(PoolItem(read.entry, read.hash, mine, self._boxes))
                self.encoded += 1
            elif (same := self._known.same(read.entry.sha256)) is not None:
                entry = replace(read.entry, size=same.entry.size)
                items.append(PoolItem(entry, same.hash, same.features, same.boxes))
        return items

    def _keep(self, items: Sequence[PoolItem]) -> None:
        """Write a part."""
        if not items:
            return
        pool = pool_of(
            items,
            self._roots,
            encoder_fingerprint(self._encoders.image_text),
            self._encoders.name,
            self._config,
        )
        self._work.put([item.entry.sha256 for item in items], pool)
