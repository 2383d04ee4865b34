"""Real processes: stopped with Ctrl-C, killed at any moment, two in one folder, on a full disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PROGRAM = Path(__file__).parent / "fake_ovseg.py"
IMAGES = 12
SECONDS = "0.05"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for i in range(IMAGES):
        pixels = generator.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    (folder / "05-broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


def start(
    photos: Path, out: Path, *flags: str, seconds: str = SECONDS, halt: int | None = None
) -> subprocess.Popen[str]:
    """Begin a run that takes ``seconds`` an image and stands still after ``halt`` images."""
    command = [sys.executable, str(PROGRAM), "segment", str(photos), "-c", "a, b", "-o", str(out), *flags]
    environment = os.environ | {"FAKE_SECONDS": seconds}
    if halt is not None:
        environment["FAKE_HALT"] = str(halt)
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A job in the background of a shell script is born deaf to Ctrl-C, and so would its children be.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(photos: Path, out: Path, *flags: str, seconds: str = "0") -> tuple[int, str, str]:
    process = start(photos, out, *flags, seconds=seconds)
    stdout, stderr = process.communicate()
    return process.returncode, stdout, stderr


def wait_for_lines(process: subprocess.Popen[str], out: Path, count: int) -> None:
    """Wait until ``count`` images are written."""
    journal = out / "images.jsonl"
    while True:
        ended = process.poll() is not None
        if journal.exists() and journal.read_bytes().count(b"\n") >= count:
            return
        if ended:
            pytest.fail(f"ended before {count} images were written: {process.communicate()[1]}")
        time.sleep(0.005)


def contents(out: Path) -> dict[str, Any]:
    """Every file of a run folder, times apart."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name, data = path.relative_to(out).as_posix(), path.read_bytes()
        if name == "images.jsonl":
            lines = [json.loads(line) for line in data.splitlines()]
            found[name] = [{key: line[key] for key in line if key != "seconds"} for line in lines]
        elif name == "run.json":
            found[name] = {key: value for key, value in json.loads(data).items() if key != "timings"}
        elif name != "report.html":  # tells how long it took
            found[name] = data
    return found


ALL_FORMATS = "png,overlay,scores,coco,panoptic,yolo,labelme,rrle,html"


@pytest.mark.parametrize(
    "formats", ["png,overlay,rrle", pytest.param(ALL_FORMATS, marks=pytest.mark.slow, id="all")]
)
def test_killed_run_resumes_to_the_bytes_of_an_unbroken_one(
    photos: Path, tmp_path: Path, formats: str
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert finish(photos, whole, "-f", formats)[0] == 3
    generator = np.random.default_rng()
    # The last moment comes after an image is done, so that there is something to resume.
    for count in sorted([*generator.integers(0, 8, 2), generator.integers(1, 8)]):
        process = start(photos, killed, "-f", formats)
        wait_for_lines(process, killed, count)
        time.sleep(float(generator.uniform(0, 0.06)))
        process.kill()
        process.communicate()
    code, _, stderr = finish(photos, killed, "-f", formats)
    assert code == 3
    assert "are done already" in stderr
    assert contents(killed) == contents(whole)


def test_interrupt_leaves_a_run_that_resumes(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(photos, out, "-f", "png", halt=5)
    wait_for_lines(process, out, 3)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert stdout == ""
    assert "interrupted: what is done is in" in stderr
    assert "Traceback" not in stderr
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["status"] == "interrupted"
    done = manifest["counts"]["ok"]
    assert 3 <= done < IMAGES
    for mask in (out / "masks").iterdir():
        with Image.open(mask) as image:
            assert image.size == (60, 40)
    code, _, stderr = finish(photos, out, "-f", "png")
    assert code == 3
    assert f"{done} of {IMAGES + 1} images are done already" in stderr
    finish(photos, tmp_path / "whole", "-f", "png")
    assert contents(out) == contents(tmp_path / "whole")


def test_second_process_is_refused_and_a_dead_one_holds_nothing(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = start(photos, out, "-f", "png", halt=1)
    wait_for_lines(first, out, 1)
    code, _, stderr = finish(photos, out, "-f", "png")
    assert code == 1
    assert "is in use by another run of ovseg" in stderr
    assert first.poll() is None
    first.kill()
    first.communicate()
    assert finish(photos, out, "-f", "png")[0] == 3


def test_shards_run_side_by_side_in_one_folder(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shards = [start(photos, out, "-f", "png", "--shard", f"{i}/2") for i in (1, 2)]
    wait_for = [process.communicate()[1] for process in shards]
    assert [process.returncode for process in shards] in ([0, 3], [3, 0]), wait_for
    code, _, stderr = finish(photos, out, "-f", "png")
    assert code == 3
    assert f"{IMAGES} of {IMAGES + 1} images are done already" in stderr
    finish(photos, tmp_path / "whole", "-f", "png")
    for name in ("images.jsonl", "masks/03.png"):
        assert contents(out)[name] == contents(tmp_path / "whole")[name]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_ends_with_one_line_and_the_run_resumes(
    photos: Path, small_disk: Path, tmp_path: Path
) -> None:
    out = small_disk / "out"
    filler = small_disk / "filler"
    filler.write_bytes(bytes(36 * 1024))
    code, stdout, stderr = finish(photos, out, "-f", "png")
    assert code == 1
    assert stdout == ""
    assert stderr.rstrip().splitlines()[-1].startswith("error: cannot write")
    assert "No space left on device" in stderr
    assert "Traceback" not in stderr
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert finish(photos, out, "-f", "png")[0] == 3
    finish(photos, tmp_path / "whole", "-f", "png")
    assert contents(out) == contents(tmp_path / "whole")


def test_output_folder_that_cannot_be_written(photos: Path, small_disk: Path) -> None:
    (small_disk / "empty").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for name, start_of_message in (("new", "cannot use"), ("empty", "cannot write")):
        code, stdout, stderr = finish(photos, small_disk / name, "-f", "png")
        assert (code, stdout) == (1, "")
        [line] = [line for line in stderr.splitlines() if "preset fake" not in line]
        assert line.startswith(f"error: {start_of_message}")
        assert line.endswith("Read-only file system")


@pytest.mark.slow
def test_memory_is_flat_between_50_and_200_images(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    pixels = np.kron(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8), np.ones((100, 100, 1), np.uint8))
    for count in (50, 200):
        folder = tmp_path / str(count)
        folder.mkdir()
        for i in range(count):
            Image.fromarray(np.roll(pixels, i, axis=1)).save(folder / f"{i}.jpg")
    peaks = []
    for count in (50, 200):
        out = tmp_path / f"out-{count}"
        assert finish(tmp_path / str(count), out)[0] == 0
        peaks.append(json.loads((out / "run.json").read_text())["timings"]["peak_memory_mib"])
    assert peaks[1] < peaks[0] * 1.1 + 10
