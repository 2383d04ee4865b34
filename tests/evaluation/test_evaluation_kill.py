"""Killed at a random moment and run again: the same bytes as an unbroken run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from evaluation_fakes import painted_folder

WORKER = Path(__file__).with_name("evaluation_worker.py")
IMAGES = 32


@dataclass(frozen=True)
class Unbroken:
    """What a run comes to when nothing happens to it."""

    root: Path
    outputs: dict[str, bytes]


def start(root: Path, out: Path, *halt: int) -> subprocess.Popen[bytes]:
    """Start the worker, which stands still after ``halt`` images, and wait until it begins to evaluate."""
    environment = os.environ | {"PYTHONPATH": str(WORKER.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(WORKER), str(root), str(out), *map(str, halt)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def run(root: Path, out: Path) -> None:
    with start(root, out) as process:
        assert process.wait() == 0


def measured(out: Path) -> int:
    """Images whose record is written."""
    journal = out / "records.jsonl"
    return journal.read_bytes().count(b"\n") if journal.is_file() else 0


def kill_after(root: Path, out: Path, images: int) -> None:
    """Kill a run that would stand still soon after, when it has measured so many images more."""
    target = measured(out) + images
    # A resumed run begins with a whole batch, of which up to two images may have been measured before.
    with start(root, out, images + 3) as process:
        while measured(out) < target:
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
        assert process.wait() != 0


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file but the timings."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "run.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    root = tmp_path_factory.mktemp("data")
    painted_folder(root, ("background", "cat", "dog"), IMAGES, noise=0.1)
    out = tmp_path_factory.mktemp("out") / "unbroken"
    run(root, out)
    return Unbroken(root, outputs(out))


def check(unbroken: Unbroken, out: Path) -> None:
    """Let the run come to its end and compare every byte."""
    run(unbroken.root, out)
    found = outputs(out)
    assert sorted(found) == sorted(unbroken.outputs)
    assert [name for name, content in unbroken.outputs.items() if found[name] != content] == []


@pytest.mark.parametrize("seed", range(2))
def test_killed_while_it_measures(unbroken, tmp_path, seed):
    kill_after(unbroken.root, tmp_path / "out", random.Random(seed).randrange(1, IMAGES - 6))
    check(unbroken, tmp_path / "out")


@pytest.mark.slow
def test_killed_at_random_moments_in_twenty_trials(unbroken, tmp_path):
    moments = random.Random(0)
    for trial in range(20):
        out = tmp_path / str(trial)
        for _ in range(trial % 3):
            left = IMAGES - measured(out) - 6
            if left > 1:
                kill_after(unbroken.root, out, moments.randrange(1, left))
        # And once at any moment, also while it sums up, or when it is done.
        with start(unbroken.root, out) as process:
            time.sleep(moments.uniform(0, 0.6))
            process.kill()
        check(unbroken, out)
