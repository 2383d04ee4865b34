"""The run folder: whose it is, what in it is done, what may be cleared."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ovseg.errors import OutputError
from ovseg.files import TEMPORARY_PREFIX, digest, file_sha256, write_json
from ovseg.images import ImageFile
from ovseg.runs.folder_lock import folder_lock
from ovseg.runs.journal import Journal, Line, read_journal, write_journal
from ovseg.runs.manifest import differences

__all__ = ["RunFolder", "open_run_folder"]


class RunFolder:
    """An open run folder that belongs to this process (see ``open_run_folder``).

    Attributes:
        path: The folder.
        config: What the results in it depend on.
        lines: Lines of all images that have one, by stem.
        previous: The run.json that was found, empty for a new folder.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], shard: tuple[int, int]) -> None:
        self.path = path
        self.config = config
        self.lines: dict[str, Line] = {}
        self.previous: dict[str, Any] = {}
        self._whole = shard[1] == 1
        suffix = "" if self._whole else f"-{shard[0]}-of-{shard[1]}"
        self.journal_path = path / f"images{suffix}.jsonl"
        self.manifest_path = path / f"run{suffix}.json"
        self._journal: Journal | None = None

    def is_done(self, image: ImageFile, formats: Iterable[str]) -> bool:
        """Whether the outputs of ``image`` are there in all ``formats`` and were made from the same file."""
        line = self.lines.get(image.stem.as_posix())
        if line is None or line["status"] != "ok":
            return False
        if not all(name in line["files"] for name in formats):
            return False
        if not all((self.path / file).exists() for files in line["files"].values() for file in files):
            return False
        try:
            status = image.path.stat()
            if (status.st_size, status.st_mtime_ns) == (line["bytes"], line["modified"]):
                return True
            return bool(status.st_size == line["bytes"] and file_sha256(image.path) == line["sha256"])
        except OSError:
            return False  # decoding it will say what is wrong with it

    def add(self, line: Line) -> None:
        """Record an image for good; called from any thread."""
        if self._journal is None:
            raise RuntimeError("the run folder is not open")
        self._journal.append(line)
        self.lines[line["stem"]] = line

    def relative(self, paths: Iterable[Path]) -> list[str]:
        """Paths below the folder as they stand in its files."""
        return [path.relative_to(self.path).as_posix() for path in paths]

    def stems_with(self, name: str) -> list[PurePosixPath]:
        """Stems, in order, of all images that are done in format ``name``."""
        done = (line for line in self.lines.values() if line["status"] == "ok" and name in line["files"])
        return [PurePosixPath(line["stem"]) for line in done]

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Write run.json."""
        write_json(self.manifest_path, dict(content))

    def close_journal(self, images: Iterable[ImageFile]) -> None:
        """Put the lines in the order of their stems, and those of shards into the journal of the whole run.

        A shard keeps lines of its own ``images``. A whole run also keeps what is done of other inputs.
        """
        own = {image.stem.as_posix() for image in images}
        whole = self._whole
        kept = [
            line for stem, line in self.lines.items() if stem in own or (whole and line["status"] == "ok")
        ]
        kept.sort(key=lambda line: PurePosixPath(line["stem"]).parts)
        self.lines = {line["stem"]: line for line in kept}
        write_journal(self.journal_path, kept)
        if whole:
            for path in self._journals():
                if path != self.journal_path:
                    path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def opened(self) -> Iterator[RunFolder]:
        """Read what earlier runs left, mend the journal, and keep it open for new lines."""
        for path in self._journals():
            self.lines |= read_journal(path)
        write_journal(self.journal_path, read_journal(self.journal_path).values())
        with Journal(self.journal_path) as journal:
            self._journal = journal
            yield self

    def sweep(self) -> None:
        """Remove files that a killed run left half written."""
        for leftover in self.path.rglob(f"{TEMPORARY_PREFIX}*"):
            leftover.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what runs of ovseg wrote here, and nothing else."""
        manifests = _manifests(self.path)
        if not manifests:
            return
        files = {path.name for path in manifests}
        for content in manifests.values():
            files.update(content.get("files", []))
        for journal in self._journals():
            files.add(journal.name)
            for line in read_journal(journal).values():
                files.update(file for group in line.get("files", {}).values() for file in group)
        parents: set[PurePosixPath] = set()
        for relative in map(PurePosixPath, files):
            if relative.is_absolute() or ".." in relative.parts:
                continue  # not written by us: somebody has edited the manifest
            (self.path / relative).unlink(missing_ok=True)
            parents.update(relative.parents)
        for parent in sorted(parents - {PurePosixPath(".")}, key=lambda path: -len(path.parts)):
            with contextlib.suppress(OSError):  # it holds something else, or is gone
                (self.path / parent).rmdir()

    def _journals(self) -> list[Path]:
        """Every journal of the folder; the whole run's last, so that its lines count."""
        shards = sorted(self.path.glob("images-*-of-*.jsonl"))
        return [*shards, self.path / "images.jsonl"]


@contextlib.contextmanager
def open_run_folder(
    path: Path, config: Mapping[str, Any], *, overwrite: bool = False, shard: tuple[int, int] = (1, 1)
) -> Iterator[RunFolder]:
    """Take possession of a run folder while the block runs.

    A new or empty folder is made ready; a folder with a run of the same configuration is gone on with; with
    ``overwrite`` what ovseg wrote there before is removed first, and nothing else.

    Args:
        path: The folder.
        config: What results depend on (see ``run_config_entry``); its digest is the folder's identity.
        overwrite: Whether to start anew.
        shard: (i, n) of the run.

    Raises:
        OutputError: The folder cannot be written, is in use, holds a run of another configuration, or holds
            other files and no run.
    """
    with _refusals(path):
        path.mkdir(parents=True, exist_ok=True)
    with folder_lock(path, shard):
        folder = RunFolder(path, config, shard)
        # Files first, manifests second: another shard that starts now writes its manifest before all else.
        with _refusals(path):
            visible = any(not entry.name.startswith(".") for entry in path.iterdir())
        manifests = _manifests(path)
        if overwrite:
            folder.clear()
        elif manifests:
            for content in manifests.values():
                _check_same_run(path, content, config)
            folder.previous = manifests.get(folder.manifest_path, {})
        elif visible:
            raise OutputError(
                f"{path} holds other files and no run of ovseg: give another output folder, or"
                " overwrite=True (it removes only what ovseg wrote)",
                parameters=["overwrite"],
            )
        if manifests and shard[1] == 1:
            folder.sweep()
        files = folder.previous.get("files", ["classes.json"])
        folder.write_manifest(
            {"status": "running", "config_hash": digest(config), "config": config, "files": files}
        )
        with folder.opened():
            yield folder


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot use {path} as output folder: {error.strerror}") from error


def _manifests(path: Path) -> dict[Path, dict[str, Any]]:
    """The manifests of ovseg in a folder, of a whole run and of shards."""
    found = {}
    for manifest in [*path.glob("run-*-of-*.json"), *path.glob("run.json")]:
        try:
            content = json.loads(manifest.read_bytes())
        except ValueError as error:
            raise OutputError(f"{manifest} is damaged: give another output folder, or delete it") from error
        except OSError as error:
            raise OutputError(f"cannot read {manifest}: {error.strerror}") from error
        if isinstance(content, dict) and "config_hash" in content:
            found[manifest] = content
    return found


def _check_same_run(path: Path, manifest: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    if manifest.get("config_hash") == digest(config):
        return
    names = differences(manifest.get("config", {}), config)
    shown = ", ".join(names[:3]) + (" and more" if len(names) > 3 else "")
    raise OutputError(
        f"{path} holds a run with another configuration (different: {shown}): give another output folder, or"
        " overwrite=True to clear that run",
        parameters=["overwrite"],
    )
