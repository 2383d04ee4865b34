"""What hatchling adds at build time: absolute links in the README, and the commit that is built."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

COMMIT_FILE = "ovseg/commit.txt"


class CustomMetadataHook(MetadataHookInterface):
    """Gives the README whose links and pictures work where only the README is shown."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set ``readme`` from ``README.md`` and the repository's URL."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = absolute_links(text, metadata["urls"]["Repository"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


class CustomBuildHook(BuildHookInterface):
    """Writes the commit into wheel and sdist; a wheel built from an sdist takes over the sdist's."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file of the commit, unless the build is editable: then the checkout itself knows."""
        commit = commit_of(Path(self.root))
        if version == "editable" or commit is None:
            return
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name) / "commit.txt"
        file.write_text(commit + "\n", encoding="utf-8")
        build_data["force_include"][str(file)] = COMMIT_FILE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary file."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def absolute_links(text: str, repository: str) -> str:
    """Make the relative links of Markdown absolute: pictures to the file itself, all others to its page."""
    text = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|#)([^)\s]+)", rf"\1{repository}/raw/HEAD/\2", text)
    return re.sub(r"(?<!!)(\[[^\]]*\]\()(?![a-z]+:|#)([^)\s]+)", rf"\1{repository}/blob/HEAD/\2", text)


def commit_of(root: Path) -> str | None:
    """Commit of a checkout, with ``+`` when tracked files differ from it; None where there is none."""
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20
    ).stdout.strip()
