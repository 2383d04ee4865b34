"""The records of an evaluation on disk: appended batch by batch, read back line by line, safe against kills.

``records.jsonl`` holds a header line (what is evaluated and how, with its digest) and a line an image, in
the order of evaluation. A batch is written in one piece and forced to disk; after a kill the incomplete last
batch is cut off and done again, so no image is counted twice or left out, and a batch is always predicted as
a whole.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from ovseg.errors import OutputError, reason
from ovseg.evaluation.record import ImageRecord
from ovseg.files import atomic_path, canonical_json, digest

__all__ = ["RECORDS", "Header", "Journal", "read_header", "read_records", "write_journal"]

RECORDS = "records.jsonl"
_FORMAT = "ovseg evaluation records"
_VERSION = 1


@dataclass(frozen=True)
class Header:
    """What an evaluation is.

    Attributes:
        identity: Whatever can change a figure: data set, protocol, vocabulary, predictor, bootstrap, version.
            Runs of one identity may be resumed and merged.
        shard: (I, N), this part of N; (1, 1) for all.
        extra: What else the results say: leakage, commit.
    """

    identity: Mapping[str, Any]
    shard: tuple[int, int] = (1, 1)
    extra: Mapping[str, Any] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the identity."""
        return digest(self.identity)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of the data set."""
        return tuple(self.identity["dataset"]["classes"])

    @property
    def images(self) -> int:
        """Images of the whole evaluation, all shards together."""
        return int(self.identity["dataset"]["images"])

    @property
    def selection(self) -> range:
        """Indices of the images of this shard, in order."""
        part, parts = self.shard
        return range(part - 1, self.images, parts)

    def to_json(self) -> dict[str, Any]:
        """The header line."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "digest": self.digest,
            "shard": list(self.shard),
            "identity": dict(self.identity),
            "extra": dict(self.extra or {}),
        }


class Journal:
    """``records.jsonl`` open for appending. Use it in a ``with`` block.

    Args:
        folder: The output folder; made when missing.
        header: What is evaluated.
        batch: Images that are predicted together.

    Raises:
        OutputError: The folder holds another evaluation, or cannot be written.
    """

    def __init__(self, folder: Path, header: Header, *, batch: int) -> None:
        self.path = folder / RECORDS
        self.header = header
        if not self.path.is_file():
            write_journal(self.path, header, ())
        # Read back in any case, so that a resumed run reports from the very same header.
        self.header = read_header(folder)
        if (self.header.digest, self.header.shard) != (header.digest, header.shard):
            raise OutputError(
                f"{folder} holds another evaluation ({_differences(self.header, header)}): give another"
                " output folder, or overwrite=True",
                parameters=["overwrite"],
            )
        self.done = self._mend(batch)
        self._stream: BinaryIO = self.path.open("ab")

    def append(self, records: Sequence[ImageRecord]) -> None:
        """Add the records of one batch; they are on disk when this returns."""
        lines = "".join(canonical_json(record.to_json()) + "\n" for record in records)
        try:
            self._stream.write(lines.encode("utf-8"))
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from error
        self.done += len(records)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def _mend(self, batch: int) -> int:
        """Cut off what a kill left of the last batch; return the number of images that are done."""
        selection = self.header.selection
        done, end, kept = 0, 0, (0, 0)
        with self.path.open("rb") as stream:
            end += len(stream.readline())
            kept = (0, end)
            for line in stream:
                if done == len(selection) or _index(line) != selection[done]:
                    break
                done += 1
                end += len(line)
                if done % batch == 0 or done == len(selection):
                    kept = (done, end)
        os.truncate(self.path, kept[1])
        return kept[0]


def _index(line: bytes) -> int | None:
    """Index of a record line, or None when the line is not whole."""
    if not line.endswith(b"\n"):
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return int(json.loads(line)["index"])
    return None


def read_header(folder: Path) -> Header:
    """The header of the evaluation in ``folder``.

    Raises:
        OutputError: There is none, it is damaged, or of a newer version.
    """
    path = folder / RECORDS
    try:
        with path.open("rb") as stream:
            content = json.loads(stream.readline())
        if content["format"] != _FORMAT:
            raise ValueError(content["format"])
        version = int(content["version"])
        part, parts = content["shard"]
        header = Header(content["identity"], (int(part), int(parts)), content["extra"])
        whole = content["digest"] == header.digest and len(header.classes) > 0 and header.images > 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{folder} holds no evaluation: cannot read {path} ({reason(error)})") from error
    if version != _VERSION:
        raise OutputError(f"{path} is of version {version}: this ovseg reads version {_VERSION}")
    if not whole:
        raise OutputError(f"{path} is damaged: its header does not match its digest")
    return header


def read_records(folder: Path, header: Header) -> Iterator[ImageRecord]:
    """The records in ``folder``, one at a time.

    Raises:
        OutputError: A line is damaged.
    """
    path = folder / RECORDS
    with path.open("rb") as stream:
        stream.readline()
        for number, line in enumerate(stream, start=2):
            try:
                yield ImageRecord.from_json(json.loads(line), len(header.classes))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise OutputError(f"{path}: line {number} is damaged: run the evaluation again") from error


def write_journal(path: Path, header: Header, lines: Sequence[ImageRecord] | Iterator[ImageRecord]) -> None:
    """Write a whole journal atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write((canonical_json(header.to_json()) + "\n").encode("utf-8"))
        for record in lines:
            stream.write((canonical_json(record.to_json()) + "\n").encode("utf-8"))


def _differences(found: Header, wanted: Header) -> str:
    """In which parts two evaluations differ, for the error line."""
    keys = [key for key in wanted.identity if digest(found.identity.get(key)) != digest(wanted.identity[key])]
    if found.shard != wanted.shard:
        keys.append("shard")
    return f"other {', '.join(keys) or 'version'}"
