"""Killed at a random moment and run again: the same bytes as an unbroken run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from evaluation_fakes import painted_folder

WORKER = Path(__file__).with_name("evaluation_worker.py")
IMAGES = 32


@dataclass(frozen=True)
class Unbroken:
    """What a run comes to when nothing happens to it, and in how many seconds."""

    root: Path
    outputs: dict[str, bytes]
    seconds: float


def run(root: Path, out: Path, wait: Callable[[subprocess.Popen[bytes]], None] | None = None) -> bool:
    """Run the worker, or kill it when ``wait`` returns; True when it came to its end."""
    environment = os.environ | {"PYTHONPATH": str(WORKER.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(WORKER), str(root), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        if wait is not None:
            wait(process)
            process.kill()
        return process.wait() == 0


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file but the timings."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "run.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    root = tmp_path_factory.mktemp("data")
    painted_folder(root, ("background", "cat", "dog"), IMAGES, noise=0.1)
    out = tmp_path_factory.mktemp("out") / "unbroken"
    begun: list[float] = []

    def to_the_end(process: subprocess.Popen[bytes]) -> None:
        begun.append(time.monotonic())
        assert process.wait() == 0

    assert run(root, out, to_the_end)
    return Unbroken(root, outputs(out), time.monotonic() - begun[0])


def check(unbroken: Unbroken, out: Path) -> None:
    """Let the run come to its end and compare every byte."""
    assert run(unbroken.root, out)
    found = outputs(out)
    assert sorted(found) == sorted(unbroken.outputs)
    assert [name for name, content in unbroken.outputs.items() if found[name] != content] == []


@pytest.mark.parametrize("seed", range(2))
def test_killed_while_it_measures(unbroken, tmp_path, seed):
    lines = random.Random(seed).randrange(1, IMAGES)

    def so_many_lines(process: subprocess.Popen[bytes]) -> None:
        journal = tmp_path / "out/records.jsonl"
        while process.poll() is None and not (
            journal.is_file() and journal.read_bytes().count(b"\n") >= lines
        ):
            time.sleep(0.001)

    assert not run(unbroken.root, tmp_path / "out", so_many_lines)
    check(unbroken, tmp_path / "out")


@pytest.mark.slow
def test_killed_at_random_moments_in_twenty_trials(unbroken, tmp_path):
    moments, met = random.Random(0), 0
    for trial in range(20):
        kills = 1 + trial % 3
        for _ in range(kills):
            after = moments.uniform(0, unbroken.seconds / kills)  # each finds less left to do
            met += not run(unbroken.root, tmp_path / str(trial), lambda _, after=after: time.sleep(after))
        check(unbroken, tmp_path / str(trial))
    assert met >= 20  # of 39; the others came when the run was done
