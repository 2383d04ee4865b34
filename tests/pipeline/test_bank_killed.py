"""Builds killed at random moments end, when they are run again, with the bytes of an unbroken one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support_photos import mask, photo

PROGRAM = Path(__file__).parent / "bank_program.py"
IMAGES = 9
SECONDS = 0.1


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


def start(support: Path, out: Path, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(PROGRAM), str(support), str(out), str(seconds)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def finish(support: Path, out: Path) -> None:
    process = start(support, out, 0)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr.decode()


def contents(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out.parent).as_posix(): path.read_bytes()
        for path in sorted(out.parent.rglob("*"))
        if path.is_file()
    }


def kill_at_random(support: Path, out: Path, generator: np.random.Generator) -> None:
    """Start, and kill at a moment between the first file that is written and the end."""
    process = start(support, out, SECONDS)
    deadline = time.monotonic() + 120
    while process.poll() is None and not out.with_name(f"{out.name}.work").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(float(generator.uniform(0, 1.5 * SECONDS * IMAGES)))
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_twenty_kills_leave_no_trace(support: Path, tmp_path: Path) -> None:
    finish(support, tmp_path / "whole" / "x.bank")
    whole = contents(tmp_path / "whole" / "x.bank")
    assert "x.bank" in whole
    generator = np.random.default_rng(int.from_bytes(os.urandom(4), "big"))
    for number in range(5):
        out = tmp_path / str(number) / "x.bank"
        for _ in range(4):
            kill_at_random(support, out, generator)
        finish(support, out)
        assert contents(out) == whole


def test_one_kill_leaves_no_trace(support: Path, tmp_path: Path) -> None:
    finish(support, tmp_path / "whole" / "x.bank")
    out = tmp_path / "killed" / "x.bank"
    kill_at_random(support, out, np.random.default_rng())
    finish(support, out)
    assert contents(out) == contents(tmp_path / "whole" / "x.bank")
