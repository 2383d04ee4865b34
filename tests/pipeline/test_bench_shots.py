"""``ovseg bench shots`` on photos of two colours that the fake encoders have no words for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_encoders import fake_encoders
from PIL import Image
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.encoders import presets

COLOURS = {"mauve": (160, 40, 160), "teal": (40, 160, 160)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six photos, each of two colours."""
    folder = tmp_path / "set"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    (folder / "classes.txt").write_text("mauve\nteal\n")
    generator = np.random.default_rng(0)
    for i in range(6):
        labels = np.zeros((64, 96), np.uint8)
        labels[:, 32 + 8 * (i % 3) :] = 1
        pixels = np.array([COLOURS["mauve"], COLOURS["teal"]])[labels]
        pixels = (pixels + generator.integers(-15, 16, pixels.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{i}.png")
        Image.fromarray(labels).save(folder / "masks" / f"{i}.png")
    return folder


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(presets, "open_preset", lambda *_, **__: fake_encoders())

    def invoke(*arguments: object) -> Any:
        return CliRunner().invoke(
            application(), ["bench", "shots", *map(str, arguments)], catch_exceptions=False
        )

    return invoke


def test_support_helps_and_is_left_out(bench: Any, root: Path, tmp_path: Path) -> None:
    small = ("--set", "segment.encoding.image_size=64", "--set", "prototypes.parts=2")
    flags = ("--root", root, "--work", tmp_path / "work", "--shots", "0,1,2", *small)
    rows = json.loads(bench(*flags, "--json").stdout)
    assert [row["shots"] for row in rows] == [0, 1, 2]
    assert rows[0]["support images"] == 0
    assert len({row["images measured"] for row in rows}) == 1
    assert rows[2]["images measured"] + rows[2]["support images"] <= 6
    assert rows[1]["mIoU"] > rows[0]["mIoU"]
    assert rows[1]["gain"].startswith("+")
    again = json.loads(bench(*flags, "--json").stdout)
    assert again == rows
    table = bench(*flags, "--images", 1).stdout.splitlines()
    assert table[0].startswith("| shots | support images | images measured | mIoU |")
    assert [line.split(" | ")[2] for line in table[2:]] == ["1", "1", "1"]


@pytest.mark.parametrize("shots", ["", "a", "2,1", "1,1", "0", "-1"])
def test_numbers_that_are_no_shots(bench: Any, root: Path, tmp_path: Path, shots: str) -> None:
    result = bench("--root", root, "--work", tmp_path / "work", "--shots", shots)
    assert result.exit_code == 2
    assert "--shots takes" in result.stderr
