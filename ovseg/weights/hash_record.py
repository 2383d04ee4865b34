"""The lock file: revision and hashes of hub weights as they were first seen here, held to from then on.

``<cache>/weights.lock.json`` is for weights whose hash no source gives; whoever deletes it trusts anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ovseg.errors import WeightsUnavailable, reason
from ovseg.files import write_json
from ovseg.weights.cards import HubFiles

FORMAT, VERSION = "ovseg-weights-lock", 1


class HashRecord:
    """What is recorded of repositories.

    Args:
        cache_dir: ovseg's cache folder.

    Raises:
        WeightsUnavailable: The file is damaged or of a newer version.
    """

    def __init__(self, cache_dir: Path) -> None:
        self.path = cache_dir / "weights.lock.json"
        self._repos: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            try:
                table = json.loads(self.path.read_text(encoding="utf-8"))
                if table["format"] != FORMAT or table["version"] != VERSION:
                    raise ValueError(f"format {table['format']!r} version {table['version']!r}")
                self._repos = {
                    key: {
                        "revision": str(entry["revision"]),
                        "files": {str(n): str(f["sha256"]) for n, f in entry["files"].items()},
                    }
                    for key, entry in table["repositories"].items()
                }
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise WeightsUnavailable(
                    f"{self.path} cannot be read ({reason(error)}): delete it to record the weights anew"
                ) from error

    def revision(self, at: HubFiles) -> str | None:
        """The commit that was recorded for a repository as the user named it, or None."""
        entry = self._repos.get(_key(at))
        return str(entry["revision"]) if entry else None

    def files(self, at: HubFiles) -> tuple[str, ...]:
        """The files that were recorded, weights first."""
        return tuple(self._repos.get(_key(at), {"files": {}})["files"])

    def sha256(self, at: HubFiles, file: str) -> str | None:
        """The hash that was recorded for a file, or None."""
        found: str | None = self._repos.get(_key(at), {"files": {}})["files"].get(file)
        return found

    def record(self, at: HubFiles, revision: str, hashes: dict[str, str]) -> None:
        """Record files of a repository; what is recorded already stays.

        Raises:
            OutputError: The cache cannot be written.
        """
        known = self._repos.setdefault(_key(at), {"revision": revision, "files": {}})
        new = {file: sha for file, sha in hashes.items() if file not in known["files"]}
        if not new and self.path.is_file():
            return
        known["files"] |= new
        repositories = {
            key: {
                "revision": entry["revision"],
                "files": {name: {"sha256": sha} for name, sha in entry["files"].items()},
            }
            for key, entry in sorted(self._repos.items())
        }
        write_json(self.path, {"format": FORMAT, "version": VERSION, "repositories": repositories})


def _key(at: HubFiles) -> str:
    key = f"{at.repo}@{at.revision}" if at.revision else at.repo
    return key if at.weights else f"{key}#description"
