"""Real processes, killed or interrupted while they build a pool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pool_fakes import paint

PROGRAM = Path(__file__).parent / "fake_pool.py"
PHOTOS = 40


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    colours = np.random.default_rng(0).integers(0, 256, (PHOTOS, 3))
    for i, colour in enumerate(colours):
        paint(folder / f"{i % 3}" / f"{i:02}.png", tuple(colour), seed=i)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


def start(photos: Path, out: Path, **fake: str) -> subprocess.Popen[str]:
    """Begin a build; ``fake`` are variables of the doubles (see ``fake_load``)."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), "pool", "build", str(photos), "-o", str(out), "-b", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | fake,
        # A job in the background of a shell script is born deaf to Ctrl-C, and so would its children be.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(photos: Path, out: Path) -> str:
    process = start(photos, out)
    _, stderr = process.communicate()
    assert process.returncode == 3, stderr
    return stderr


def wait_for_parts(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until ``count`` parts are written, or the build has ended."""
    folder = out.with_name(out.name + ".parts")
    while process.poll() is None and len(list(folder.glob("*.safetensors"))) < count:
        time.sleep(0.01)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_build_ends_in_the_bytes_of_an_unbroken_one(many, tmp_path, kills):
    whole, killed = tmp_path / "whole.pool", tmp_path / "killed.pool"
    finish(many, whole)
    generator = np.random.default_rng()
    for _ in range(kills):
        process = start(many, killed, FAKE_SECONDS="0.05")
        parts = len(list(tmp_path.glob("killed.pool.parts/*.safetensors")))
        wait_for_parts(killed, parts + int(generator.integers(0, 3)), process)
        time.sleep(float(generator.uniform(0, 0.15)))
        process.kill()
        process.communicate()
        if killed.exists():
            assert killed.read_bytes() == whole.read_bytes()
            killed.unlink()
    finish(many, killed)
    assert killed.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "killed.pool.parts").exists()


def test_an_interrupted_build_keeps_what_is_encoded(many, tmp_path):
    out = tmp_path / "x.pool"
    process = start(many, out, FAKE_HALT="6")
    wait_for_parts(out, 2, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert "interrupted: what is encoded is kept" in stderr
    assert "Traceback" not in stderr
    assert not out.exists()
    again = finish(many, out)
    assert f"of {PHOTOS + 1} images are done already" in again
