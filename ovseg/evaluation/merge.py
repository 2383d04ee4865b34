"""Shards to one evaluation: the same bytes as if it had run in one piece."""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from ovseg.errors import OutputError, UsageError
from ovseg.evaluation.journal import RECORDS, Header, read_header, read_records, write_journal
from ovseg.evaluation.pictures import picture_path
from ovseg.evaluation.record import ImageRecord
from ovseg.evaluation.runner import claim, finish
from ovseg.evaluation.summary import Summary

__all__ = ["merge"]


def merge(folders: Sequence[Path], out: Path, *, overwrite: bool = False) -> Summary:
    """Join the shards of one evaluation and write its results.

    Args:
        folders: Output folders of all shards, in any order.
        out: Folder for the whole.
        overwrite: Drop an evaluation that is in ``out``.

    Raises:
        UsageError: The folders hold different evaluations.
        OutputError: A shard is missing, given twice, or not complete; nothing is written then.
    """
    headers = [read_header(folder) for folder in folders]
    if not headers:
        raise UsageError("no folders to merge: name the output folders of all shards")
    first = headers[0]
    for folder, header in zip(folders, headers, strict=True):
        if header.digest != first.digest:
            raise UsageError(
                f"{folder} and {folders[0]} hold different evaluations: merge shards of one command"
            )
    whole = Header(first.identity, (1, 1), first.extra)
    claim(out, overwrite=overwrite)
    streams = [read_records(folder, header) for folder, header in zip(folders, headers, strict=True)]
    write_journal(out / RECORDS, whole, _complete(streams, whole))
    for folder in folders:
        for path in picture_path(folder, 0).parent.glob("*.jpg"):
            target = picture_path(out, int(path.stem))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return finish(out, whole)


def _complete(streams: Sequence[Iterator[ImageRecord]], whole: Header) -> Iterator[ImageRecord]:
    """All records in order; refuses gaps and doubles."""
    expected = 0
    for record in heapq.merge(*streams, key=lambda record: record.index):
        if record.index < expected:
            raise OutputError(f"{record.name} is in two of the folders: give every shard once")
        if record.index > expected:
            break
        expected += 1
        yield record
    if expected < whole.images:
        raise OutputError(
            f"image {expected + 1} of {whole.images} is in no folder: a shard is missing or not done"
        )
