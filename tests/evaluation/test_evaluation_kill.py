"""Killed at a random moment and run again: the same bytes as an unbroken run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from evaluation_fakes import painted_folder

WORKER = Path(__file__).with_name("evaluation_worker.py")
LONGEST = 1.0
"""Seconds that an unbroken run takes, about; kills fall between 0 and this."""


def start(root: Path, out: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(WORKER.parent), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(root), str(out)], stdout=subprocess.PIPE, env=environment
    )


def run(root: Path, out: Path, kill_after: float | None = None) -> bool:
    """Run the worker; True when it came to its end."""
    with start(root, out) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            assert process.wait(kill_after) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            return False
    return True


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file but the timings."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "run.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    root = tmp_path_factory.mktemp("data")
    painted_folder(root, ("background", "cat", "dog"), 32, noise=0.1)
    out = tmp_path_factory.mktemp("out") / "unbroken"
    assert run(root, out)
    return root, outputs(out)


def trial(seed: int, unbroken: tuple[Path, dict[str, bytes]], out: Path, kills: int) -> int:
    """One broken run; how many kills met a run that was not done."""
    root, expected = unbroken
    moments = random.Random(seed)
    met = 0
    for _ in range(kills):
        met += not run(root, out, moments.uniform(0, LONGEST))
    assert run(root, out)
    found = outputs(out)
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    return met


def test_killed_and_resumed_in_two_trials(unbroken, tmp_path):
    assert sum(trial(seed, unbroken, tmp_path / str(seed), kills=1) for seed in range(2)) >= 1


@pytest.mark.slow
def test_killed_and_resumed_in_twenty_trials(unbroken, tmp_path):
    met = sum(trial(100 + seed, unbroken, tmp_path / str(seed), kills=1 + seed % 3) for seed in range(20))
    assert met >= 20
