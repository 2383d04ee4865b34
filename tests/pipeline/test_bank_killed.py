"""Builds killed at random moments end, when they are run again, with the bytes of an unbroken one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support_photos import mask, photo

PROGRAM = Path(__file__).parent / "bank_program.py"
IMAGES = 9
SECONDS = 0.1

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forks")


@pytest.fixture
def support(tmp_path: Path) -> Path:
    root = tmp_path / "support"
    for name in ("tomato", "frog", "whale"):
        for i in range(IMAGES // 3):
            box = (8 * i, 8, 8 * i + 40, 48)
            path = photo(root / name / f"{i}.png", name, box, seed=i)
            if i:
                mask(path, box)
    return root


def run(support: Path, kills: int, *outs: Path) -> None:
    """Build each of ``outs``, killed so many times before it is done."""
    command = [sys.executable, PROGRAM, support, SECONDS, kills, *outs]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr


def contents(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out.parent).as_posix(): path.read_bytes()
        for path in sorted(out.parent.rglob("*"))
        if path.is_file()
    }


def test_one_kill_leaves_no_trace(support: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole" / "x.bank", tmp_path / "killed" / "x.bank"
    run(support, 0, whole)
    run(support, 1, killed)
    assert "x.bank" in contents(whole)
    assert contents(killed) == contents(whole)


@pytest.mark.slow
def test_twenty_kills_leave_no_trace(support: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole" / "x.bank"
    run(support, 0, whole)
    outs = [tmp_path / str(number) / "x.bank" for number in range(5)]
    run(support, 4, *outs)
    for out in outs:
        assert contents(out) == contents(whole)
