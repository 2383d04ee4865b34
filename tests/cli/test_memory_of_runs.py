"""Peak memory of real runs, with the offline preset's encoders on photos of many sizes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ovseg.cli.launch import set_up_process

DATA = Path(os.environ.get("OVSEG_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


@pytest.mark.parametrize(
    ("machine", "given", "kept"), [("x86_64", None, "0"), ("x86_64", "64", "64"), ("aarch64", None, None)]
)
def test_commands_switch_off_the_cache_of_kernels_unless_the_user_sets_it(
    monkeypatch: pytest.MonkeyPatch, machine: str, given: str | None, kept: str | None
) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setenv(name, given or "")
    if given is None:
        monkeypatch.delenv(name)
    set_up_process(verbose=0, offline=False)
    assert os.environ.get(name) == kept


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not DATA.is_dir(), reason="no photos: set OVSEG_DATA")
def test_peak_memory_of_60_photos_is_that_of_15(offline_cache: Path, tmp_path: Path) -> None:
    # The longer a photo for its width, the more cells it has: the peak is that of the longest one, so both
    # runs begin with those.
    photos = sorted((DATA / "voc_mini" / "JPEGImages").glob("*.jpg"), key=elongation, reverse=True)
    command = [sys.executable, "-m", "ovseg", "segment", "-q", "--preset", "offline", "--vocabulary", "voc21"]
    command += ["--cache-dir", str(offline_cache)]
    command += ["--image-size", "224"]  # for speed; the classifier, which needs most, sees its own sizes
    peaks = []
    for count in (15, 60):
        out = tmp_path / str(count)
        subprocess.run([*command, *map(str, photos[:count]), "-o", str(out)], check=True)
        peaks.append(json.loads((out / "run.json").read_text())["timings"]["peak_memory_mib"])
    print(f"peak of 15 photos {peaks[0]} MiB, of 60 {peaks[1]} MiB")
    assert peaks[0] < 2048
    assert peaks[1] < 1.1 * peaks[0]


def elongation(path: Path) -> float:
    with Image.open(path) as photo:
        return max(photo.size) / min(photo.size)
