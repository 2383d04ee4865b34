from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import ColourSegmenter

from ovseg.images import find_images
from ovseg.runs import RunConfig, run_segmentation
from ovseg.vocabulary import parse_classes
from ovseg.vocabulary.model import Vocabulary


@pytest.fixture
def run(photos: Path, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    vocabulary = Vocabulary(parse_classes(["red, green, blue"]))
    run_segmentation(find_images([photos]), vocabulary, ColourSegmenter(), out, RunConfig(formats=("png",)))
    return out


def test_convert_prints_main_files(ovseg: Callable[..., Any], run: Path) -> None:
    result = ovseg("convert", run, "--to", "coco, yolo", "--to", "coco")
    assert result.exit_code == 0
    folder = run / "converted"
    assert result.stdout.splitlines() == [str(folder / "coco.json"), str(folder / "yolo/data.yaml")]
    assert len(json.loads((folder / "coco.json").read_bytes())["images"]) == 3


def test_convert_of_formats_without_main_file_prints_the_folder(
    ovseg: Callable[..., Any], run: Path, tmp_path: Path
) -> None:
    result = ovseg("convert", run, "-t", "rrle", "-o", tmp_path / "text", "-q")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'text'}\n")
    assert result.stderr == ""


def test_convert_json_and_failures(ovseg: Callable[..., Any], run: Path) -> None:
    (run / "masks/red.png").unlink()
    result = ovseg("convert", run, "--to", "coco", "--json")
    assert result.exit_code == 3
    summary = json.loads(result.stdout)
    assert (summary["done"], summary["failed"]) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--to", "cocoa"], 2, "did you mean coco"),
        (["--to", "scores"], 2, "run  ovseg segment --format scores"),
        (["--to", " , "], 2, "no format given"),
    ],
)
def test_convert_refuses_what_makes_no_sense(
    ovseg: Callable[..., Any], run: Path, arguments: list[str], code: int, message: str
) -> None:
    result = ovseg("convert", run, *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""
