"""The engine: decode ahead in threads, segment in the calling thread, write behind in threads."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ovseg.errors import ConfigError, OutputError
from ovseg.files import recorded_writes, write_json
from ovseg.images import ImageFile
from ovseg.outputs import OutputItem, RunContext, Writer, make_writers
from ovseg.progress import Progress, Silent
from ovseg.runs.config import RunConfig
from ovseg.runs.folder import RunFolder, open_run_folder
from ovseg.runs.manifest import RunTimer, manifest_entry, run_config_entry
from ovseg.runs.record import done_line, failed_line
from ovseg.runs.stream import Decoded, Entry, decoded_batches
from ovseg.runs.summary import Failure, RunSummary
from ovseg.types import LabelMap
from ovseg.vocabulary import Vocabulary

__all__ = ["ImageSegmenter", "run_segmentation"]

_log = logging.getLogger(__name__)

GPU_BATCH = 8
"""Images a batch where the batch size is left open and there is an accelerator."""


class ImageSegmenter(Protocol):
    """What the engine needs of a segmenter; ``ovseg.Segmenter`` is one."""

    @property
    def encoder_seconds(self) -> float:
        """Seconds spent in the encoders' forward passes so far."""
        ...

    def segment_batch(
        self, images: Sequence[npt.NDArray[np.uint8]], vocabulary: Vocabulary
    ) -> Sequence[LabelMap]:
        """Segment (H', W', 3) uint8 RGB images of any sizes."""
        ...

    def describe(self) -> dict[str, Any]:
        """Preset, device, weights and settings as JSON-able values; the same for the same results."""
        ...


def run_segmentation(
    images: Sequence[ImageFile],
    vocabulary: Vocabulary,
    segmenter: ImageSegmenter,
    out: Path,
    config: RunConfig | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Segment images into a run folder, and go on where an earlier run of the same configuration stopped.

    Images that cannot be read become failures, and the run goes on. The folder holds ``run.json``,
    ``images.jsonl`` (a line an image, in the order of stems once the run is complete), ``classes.json`` and
    what the formats write. Whenever the process is killed, the same call finishes the run; the result is the
    same as that of an unbroken run, times apart.

    Shards of one run may share the folder: each keeps ``images-I-of-N.jsonl`` and ``run-I-of-N.json``, and
    the same call without a shard afterwards joins them without segmenting anything again.

    Args:
        images: From ``find_images``.
        vocabulary: The classes.
        segmenter: Does the work, in the calling thread.
        out: The run folder.
        config: How to go about it; default ``RunConfig()``.
        progress: Is told how far the run is.

    Returns:
        What has come of it; failures are in it, not raised.

    Raises:
        OutputError: The folder cannot be used or written; what is done stays done.
        UnknownName, DependencyMissing: For an output format; before anything is written.
        ConfigError: ``overwrite`` together with a shard.
        KeyboardInterrupt: Ctrl-C, after images in the making are written and run.json says ``interrupted``.
    """
    config = config or RunConfig()
    number, count = config.shard
    if config.overwrite and count > 1:
        raise ConfigError(
            "overwrite= and shard= exclude each other: shards share one folder",
            parameters=["overwrite", "shard"],
        )
    context = RunContext(out=out, vocabulary=vocabulary, save_scores="scores" in config.formats)
    writers = make_writers(config.formats, context, config.options)
    selected = list(enumerate(images))[: config.limit][number - 1 :: count]
    entry = run_config_entry(segmenter.describe(), vocabulary, config.images) | config.changed_options()
    with open_run_folder(out, entry, overwrite=config.overwrite, shard=config.shard) as folder:
        return _Run(folder, vocabulary, segmenter, config, writers, progress or Silent()).complete(selected)


class _Run:
    """One call of ``run_segmentation`` on an open folder."""

    def __init__(
        self,
        folder: RunFolder,
        vocabulary: Vocabulary,
        segmenter: ImageSegmenter,
        config: RunConfig,
        writers: dict[str, Writer],
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._vocabulary = vocabulary
        self._segmenter = segmenter
        self._config = config
        self._writers = writers
        self._progress = progress
        self._failures: list[Failure] = []
        self._done: set[PurePosixPath] = set()
        self._segmented = 0
        self._timer = RunTimer(segmenter.encoder_seconds)

    def complete(self, selected: list[Entry]) -> RunSummary:
        """Do what is left to do, then join and account."""
        folder, images = self._folder, [image for _, image in selected]
        self._done = {image.stem for image in images if folder.is_done(image, self._writers)}
        skipped = len(self._done)
        if skipped:
            _log.info("going on with %s: %d of %d images are done", folder.path, skipped, len(images))
        write_json(folder.path / "classes.json", dict(enumerate(self._vocabulary.names)))
        self._progress.start(len(images), skipped)
        status = "failed"
        try:
            self._work(self._batches(selected))
            outputs = self._finish(images)
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            if status != "finished":
                # The first error is the one to report; a full disk refuses this file as well.
                with contextlib.suppress(OutputError):
                    folder.write_manifest(self._manifest(status))
        return RunSummary(
            out=folder.path,
            images=len(images),
            done=sum(folder.lines.get(image.stem.as_posix(), {}).get("status") == "ok" for image in images),
            skipped=skipped,
            failures=tuple(self._failures),
            seconds=self._timer.seconds,
            outputs=outputs,
        )

    def _batches(self, selected: list[Entry]) -> list[list[Entry]]:
        """Batches in which something is left to do.

        They are cut from the whole list, not from what is left: the same images share a forward pass in a
        resumed run, so that it ends in the same bytes.
        """
        on_cpu = str(self._folder.config["segmenter"].get("device", "cpu")).startswith("cpu")
        size = self._config.batch_size or (1 if on_cpu else GPU_BATCH)
        batches = (selected[i : i + size] for i in range(0, len(selected), size))
        return [batch for batch in batches if any(image.stem not in self._done for _, image in batch)]

    def _work(self, batches: list[list[Entry]]) -> None:
        """Segment batches; only a few images wait to be segmented or written, however many there are."""
        workers = self._config.workers
        saves: deque[Future[None]] = deque()
        with (
            ThreadPoolExecutor(workers, "ovseg-read") as readers,
            ThreadPoolExecutor(workers, "ovseg-write") as savers,
        ):
            try:
                for batch in decoded_batches(readers, batches, self._config.images, ahead=workers):
                    self._note_failures(batch)
                    if self._failures and self._config.fail_fast:
                        break
                    saves += [savers.submit(self._save, item, work) for item, work in self._segment(batch)]
                    while len(saves) > 2 * workers:
                        self._saved(saves.popleft())
                while saves:
                    self._saved(saves.popleft())
            finally:
                # Also after an error or Ctrl-C: what is decoded is dropped, what is segmented is written.
                readers.shutdown(cancel_futures=True)

    def _segment(self, batch: list[Decoded]) -> list[tuple[Decoded, OutputItem]]:
        """Segment what could be read of a batch; of the result, what is not done yet."""
        pairs = [(item, item.loaded) for item in batch if item.loaded is not None]
        if not pairs:
            return []
        clock = time.perf_counter()
        segmentations = self._segmenter.segment_batch([image.pixels for _, image in pairs], self._vocabulary)
        seconds = (time.perf_counter() - clock) / len(pairs)
        return [
            (
                replace(item, loaded=None, seconds=item.seconds + seconds),
                OutputItem(
                    item.image.stem, item.image.path, image.pixels, image.size, segmentation, item.index
                ),
            )
            for (item, image), segmentation in zip(pairs, segmentations, strict=True)
            if item.image.stem not in self._done
        ]

    def _save(self, item: Decoded, work: OutputItem) -> None:
        """Write one image in every format, then its line; runs in a writer thread."""
        clock = time.perf_counter()
        files: dict[str, list[str]] = {}
        for name, writer in self._writers.items():
            with recorded_writes() as paths:
                try:
                    writer.write(work)
                except OSError as error:
                    reason = error.strerror or error
                    raise OutputError(f"cannot write the {name} output of {work.source}: {reason}") from error
            files[name] = self._folder.relative(paths)
        seconds = item.seconds + time.perf_counter() - clock
        self._folder.add(done_line(item.image, item.source, work.size, work.segmentation, files, seconds))

    def _saved(self, save: Future[None]) -> None:
        save.result()
        self._segmented += 1
        self._progress.advance()

    def _note_failures(self, batch: list[Decoded]) -> None:
        for item in batch:
            if item.loaded is None and item.image.stem not in self._done:
                _log.info("%s", item.error)
                self._failures.append(Failure(item.image.path, item.error))
                self._folder.add(failed_line(item.image, item.error))
                self._progress.advance(item.error)

    def _finish(self, images: list[ImageFile]) -> dict[str, Path]:
        """Put the journal in order, join the fragments of formats, write run.json."""
        folder = self._folder
        folder.close_journal(images)
        manifest = self._manifest("finished")
        outputs: dict[str, Path] = {}
        with recorded_writes() as written:
            for name, writer in self._writers.items() if self._config.shard[1] == 1 else ():
                stems = folder.stems_with(name)
                path = writer.finish(stems, manifest) if stems else None
                if path is not None:
                    outputs[name] = path
        manifest["outputs"] = {name: folder.relative([path])[0] for name, path in outputs.items()}
        manifest["files"] = sorted({*manifest["files"], *folder.relative(written)})
        folder.write_manifest(manifest)
        return outputs

    def _manifest(self, status: str) -> dict[str, Any]:
        encoder_seconds = self._segmenter.encoder_seconds
        previous = self._folder.previous.get("timings")
        timings = self._timer.entry(self._segmented, encoder_seconds)
        return manifest_entry(
            self._folder.lines.values(),
            status=status,
            note=str(self._segmenter.describe().get("note", "")),
            config=self._folder.config,
            vocabulary=self._vocabulary,
            run=self._config.to_dict(),
            files=self._folder.previous.get("files", ["classes.json"]),
            # A call that found everything done has nothing to say about speed.
            timings=previous if previous and not self._segmented else timings,
        )
