"""The timing of the normalized cut: solvers agree, tables are complete, wrong usage is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.solvers import SOLVERS, made_up_features, sides_iou, time_batch


def run(*arguments: object) -> Any:
    threads = torch.get_num_threads()
    try:
        return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    finally:
        torch.set_num_threads(threads)


def test_every_solver_is_timed_and_agrees() -> None:
    arguments = ("cut", "--sizes", "64,100", "--images", 2, "--large", 0, "--threads", 1)
    rows = json.loads(run(*arguments, "--json").stdout)
    assert [(row["cells"], row["solver"]) for row in rows] == [(n, s) for n in (64, 100) for s in SOLVERS]
    assert all(row["ms"] > 0 and row["least_iou"] > 0.9 for row in rows)
    assert rows[0]["speedup"] == 1
    table = run(*arguments, "-q").stdout.splitlines()
    assert table[0] == "| cells | solver | images | ms | speedup | least_iou |"
    assert len(table) == 10


def test_features_come_from_photos_where_there_are_some(tmp_path: Path, offline_cache: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    flags = ("--preset", "offline", "--cache-dir", offline_cache, "--device", "cpu", "--json")
    result = run("cut", tmp_path, "--sizes", 100, "--large", 0, "--threads", 1, *flags)
    rows = json.loads(result.stdout)
    assert [row["images"] for row in rows] == [1] * len(SOLVERS)


@pytest.mark.slow
def test_a_large_image_takes_less_than_four_gigabytes() -> None:
    row = json.loads(run("cut", "--sizes", "", "--threads", 1, "--json").stdout)[0]
    assert row["cells"] == 14400
    assert row["peak_gb"] < 4


def test_batches_are_timed() -> None:
    assert time_batch(torch.stack([made_up_features(36, 8, seed=s) for s in range(3)]), 0.4, 1e-5) > 0


def test_sides_are_matched_the_better_way() -> None:
    one = np.array([True, True, False, False])
    assert sides_iou(one, ~one) == 1
    assert sides_iou(one, np.array([True, True, True, False])) == pytest.approx(0.5)


def test_wrong_usage_is_one_line() -> None:
    result = run("cut", "--sizes", "901")
    assert result.exit_code == 2
    assert "square numbers" in result.stderr
