"""Which code made a result."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def code_commit(package: Path = _PACKAGE) -> str | None:
    """Commit of the code that runs, with ``+`` when tracked files differed from it; None where it is unknown.

    A checkout asks git; wheels and source distributions carry the commit that they were built from.

    Args:
        package: Folder of the package ``ovseg``.
    """
    if not (package.parent / ".git").exists():
        built = package / "commit.txt"
        return built.read_text(encoding="utf-8").strip() if built.is_file() else None
    commit = _git(package.parent, "rev-parse", "HEAD")
    if commit is None:
        return None
    return commit + ("+" if _git(package.parent, "status", "--porcelain", "--untracked-files=no") else "")


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command, or None where git is missing or does not trust the folder."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
