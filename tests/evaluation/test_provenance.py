"""The commit of the code: of a checkout, of a wheel, of neither."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ovseg.evaluation.provenance import code_commit


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "ovseg"
    folder.mkdir()
    (folder / "module.py").write_text("one = 1\n")
    return folder


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    return subprocess.check_output(["git", "-C", str(root), *who, *arguments], text=True).strip()


def test_a_wheel_carries_the_commit_that_it_was_built_from(package: Path) -> None:
    assert code_commit(package) is None
    (package / "commit.txt").write_text("0123abc+\n")
    assert code_commit(package) == "0123abc+"


def test_a_checkout_asks_git_and_says_when_it_was_changed(package: Path) -> None:
    git(package.parent, "init", "-q")
    assert code_commit(package) is None
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-q", "-m", "one")
    commit = git(package.parent, "rev-parse", "HEAD")
    (package / "commit.txt").write_text("of another build\n")
    assert code_commit(package) == commit
    (package / "module.py").write_text("one = 2\n")
    assert code_commit(package) == commit + "+"
