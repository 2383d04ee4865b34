"""Outputs of one file for the whole run: a fragment an image, joined at the end in flat memory."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from ovseg.errors import OutputError, reason
from ovseg.files import atomic_path, write_json
from ovseg.outputs.base import output_path

__all__ = ["PARTS", "Fragments", "JsonListStream", "open_text"]

PARTS = ".parts"
"""Folder of the fragments in a run folder."""


class Fragments:
    """The fragments of one format: small JSON files below ``OUT/.parts/<format>/``.

    Args:
        out: The run folder.
        name: The format.
    """

    def __init__(self, out: Path, name: str) -> None:
        self._root = out / PARTS / name

    def write(self, stem: PurePosixPath, value: Any) -> None:
        """Keep the fragment of one image."""
        write_json(output_path(self._root, stem, ".json"), value, indent=None)

    def read(self, stems: Iterable[PurePosixPath]) -> Iterator[Any]:
        """Fragments in the order of ``stems``, one in memory at a time.

        Raises:
            OutputError: A fragment is missing or damaged.
        """
        for stem in stems:
            path = output_path(self._root, stem, ".json")
            try:
                yield json.loads(path.read_bytes())
            except (OSError, ValueError) as error:
                raise OutputError(
                    f"cannot read {path}: {reason(error)}; run again with overwrite=True",
                    parameters=["overwrite"],
                ) from error


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    r"""Open a UTF-8 text file for writing that replaces ``path`` when the block ends well.

    File names that are not valid UTF-8 (lone surrogates in Python) are written as ``\udcXX``, which is also
    what JSON calls them.

    Raises:
        OutputError: The file cannot be written.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream,
    ):
        yield stream


class JsonListStream:
    """Write one list of a JSON object, an entry a line, without holding it in memory.

    Args:
        stream: Where to; the object's brace is open.
        key: The list's key.
    """

    def __init__(self, stream: TextIO, key: str) -> None:
        self._stream = stream
        self._separator = "\n"
        stream.write(f"{json.dumps(key)}: [")

    def append(self, entry: Any) -> None:
        """Write one more entry."""
        self._stream.write(self._separator + json.dumps(entry, ensure_ascii=False, allow_nan=False))
        self._separator = ",\n"

    def close(self, after: str) -> None:
        """End the list and write what follows it (a comma, or the brace that ends the object)."""
        self._stream.write(f"\n]{after}\n")
