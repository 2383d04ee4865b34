"""``ovseg evaluate`` as a user calls it, with the colour segmenter in the place of the real one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import evaluation_trees as trees
import numpy as np
import pytest
from evaluation_fakes import ColourSegmenter, painted, painted_folder
from PIL import Image
from typer.testing import CliRunner

import ovseg
from ovseg.cli.app import application
from ovseg.evaluation.datasets import DATASETS

CLASSES = ("background", "cat", "dog")


@pytest.fixture
def presets(monkeypatch):
    """Presets asked for; every one is the colour segmenter."""
    calls = []

    def make_segmenter(preset, **settings):
        calls.append((preset, settings))
        segmenter = ColourSegmenter(name=preset)
        segmenter.note = f"preset {preset}"
        return segmenter

    module = ModuleType("ovseg.pipeline")
    # Its other modules can still be imported.
    module.__path__ = [str(Path(ovseg.__file__).parent / "pipeline")]
    module.Segmenter = make_segmenter
    monkeypatch.setitem(sys.modules, "ovseg.pipeline", module)
    return calls


def call(*arguments, code=0):
    result = CliRunner().invoke(application(), ["evaluate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def test_folder_in_one_command(presets, tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 3)
    result = call(
        "folder", "--root", tmp_path / "data", "--background", "-o", tmp_path / "out", "--preset", "x"
    )
    assert result.stdout.startswith("# folder: mIoU 100.0\n")
    assert presets[0][0] == "x"
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["miou"] == 1
    assert results["vocabulary"]["source"] == "classes.txt"
    assert "preset x" in result.stderr


def test_json_goes_alone_to_standard_output(presets, tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 2)
    result = call("folder", "--root", tmp_path / "data", "--background", "-o", tmp_path / "out", "--json")
    assert json.loads(result.stdout)["images"] == 2


def test_folder_must_say_what_index_zero_is(tmp_path):
    result = call("folder", "--root", tmp_path, "-o", tmp_path / "out", code=2)
    assert "--background" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_voc_by_a_vocabulary_file(presets, tmp_path):
    truths = {f"p{i}": trees.random_values(3, (16, 20), i) for i in range(2)}
    trees.voc(tmp_path / "data", tuple(truths))
    for name, truth in truths.items():
        Image.fromarray(painted(truth)).save(tmp_path / "data/JPEGImages" / f"{name}.png")
        trees.write_mask(tmp_path / "data/SegmentationClass" / f"{name}.png", truth)
    for name in truths:  # JPEG would blur the colours that carry the answer
        (tmp_path / "data/JPEGImages" / f"{name}.png").rename(tmp_path / "data/JPEGImages" / f"{name}.jpg")
    names = "".join(f'[[class]]\nname = "class {i}"\n' for i in range(20))
    (tmp_path / "words.toml").write_text(names)
    result = call(
        "voc21", "--root", tmp_path / "data", "-o", tmp_path / "out", "--vocabulary", tmp_path / "words.toml"
    )  # fmt: skip
    assert "not the official split: 2 images instead of 1449" in result.stderr
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["miou"] == 1
    assert "not the official split" in results["notes"][0]


@pytest.mark.parametrize("protocol", ["sclip", "tcl"])
def test_window_protocols_need_windows(presets, tmp_path, protocol):
    painted_folder(tmp_path / "data", CLASSES, 1)
    arguments = ("folder", "--root", tmp_path / "data", "--background", "-o", tmp_path / "out")
    result = call(*arguments, "--protocol", protocol, "--preset", "colours", code=2)
    assert f"protocol {protocol} wants windows" in result.stderr
    assert "which preset colours has not" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("protocol", ["ovseg", "sclip", "tcl"])
def test_predictions_are_scored_under_any_protocol(tmp_path, protocol):
    painted_folder(tmp_path / "data", CLASSES, 2)
    arguments = ("folder", "--root", tmp_path / "data", "--background", "-o", tmp_path / "out")
    call(*arguments, "--predictions", tmp_path / "data/masks", "--protocol", protocol)
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["protocol"]["name"] == protocol
    assert results["miou"] == 1


def test_shards_limit_and_merge(presets, tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 6)
    arguments = ("folder", "--root", tmp_path / "data", "--background", "--limit", "5", "-q")
    call(*arguments, "-o", tmp_path / "whole")
    for i in (1, 2):
        call(*arguments, "-o", tmp_path / f"part{i}", "--shard", f"{i}/2")
    call("merge", tmp_path / "part1", tmp_path / "part2", "-o", tmp_path / "merged")
    merged, whole = ((tmp_path / name / "results.json").read_bytes() for name in ("merged", "whole"))
    assert merged == whole
    assert json.loads(whole)["notes"] == ["only the first 5 of 6 images"]


def test_compare_prints_the_difference_and_writes_what_differs(presets, tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 3)
    arguments = ("folder", "--root", tmp_path / "data", "--background", "-q")
    call(*arguments, "-o", tmp_path / "a", "--preset", "one")
    call(*arguments, "-o", tmp_path / "b", "--preset", "two")
    result = call("compare", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "c")
    assert "| miou | 100.0 | 100.0 | 0.0 |" in result.stdout
    assert json.loads((tmp_path / "c/comparison.json").read_text())["differs"] == ["predictor"]


def test_table_of_several_runs(presets, tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 3)
    arguments = ("folder", "--root", tmp_path / "data", "--background", "-q")
    call(*arguments, "-o", tmp_path / "a", "--preset", "one")
    call(*arguments, "-o", tmp_path / "b", "--limit", "2")
    text = call("table", tmp_path / "a", tmp_path / "b").stdout
    assert "| folder data | 3 | 100.0 | 100.0 – 100.0 | 100.0 | 100.0 | one | ovseg | classes.txt `" in text
    assert "- folder data: only the first 2 of 3 images" in text
    assert "cannot read" in call("table", tmp_path / "data", code=1).stderr


def test_leakage_is_reported_and_strictly_refused(presets, tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 2, size=(64, 64))
    arguments = ("folder", "--root", tmp_path / "data", "--background", "--leakage", tmp_path / "data/images")
    result = call(*arguments, "-o", tmp_path / "out", "--strict", code=1)
    assert "near copies of evaluation images" in result.stderr
    assert not (tmp_path / "out").exists()
    call(*arguments, "-o", tmp_path / "out")
    leakage = json.loads((tmp_path / "out/results.json").read_text())["leakage"]
    assert [entry[0] for entry in leakage["pools"][0]["copies"]] == ["photo000", "photo001"]


def test_discovery_of_boxes_and_masks(tmp_path):
    truth = np.zeros((20, 20), np.uint8)
    truth[5:15, 5:15] = 4
    trees.write_mask(tmp_path / "true/a.png", truth)
    trees.write_mask(tmp_path / "found/a.png", truth == 4)
    trees.write_json(tmp_path / "boxes.json", {"a.jpg": [{"box": [5, 5, 15, 15], "score": 1, "area": 100}]})
    (tmp_path / "objects.csv").write_text("name,class,index,x0,y0,x1,y1\na,cow,4,5,5,15,15\n")
    call(
        "discovery", "--predictions", tmp_path / "boxes.json", "--truth", tmp_path / "objects.csv",
        "--masks", tmp_path / "found", "--true-masks", tmp_path / "true", "-o", tmp_path / "out",
    )  # fmt: skip
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["boxes"]["corloc"] == 1
    assert results["masks"]["iou"] == results["masks"]["max_f_beta"] == 1
    assert "give --predictions with --truth" in call("discovery", code=2).stderr


def test_retrieval_prints_precision_of_given_rankings(tmp_path):
    trees.write_json(tmp_path / "found.json", {"cat": ["a", "b"]})
    trees.write_json(tmp_path / "labels.json", {"a": ["cat"], "b": ["dog"]})
    files = ("--rankings", tmp_path / "found.json", "--labels", tmp_path / "labels.json")
    assert "mean_average_precision: 1.0000" in call("retrieval", *files, "-k", 2).stdout
    assert json.loads(call("retrieval", *files, "-k", 2, "--json").stdout)["precision"] == {"2": 0.5}
    assert "at least 1" in call("retrieval", *files, "-k", 0, code=2).stderr


@pytest.mark.parametrize(
    "name", [*DATASETS.names(), "folder", "discovery", "retrieval", "merge", "compare", "table"]
)
def test_every_command_has_help(name):
    assert len(call(name, "--help").stdout) > 300


def test_a_missing_tree_is_one_line(tmp_path):
    result = call("cityscapes", "--root", tmp_path, "-o", tmp_path / "out", code=1)
    assert "the tree must hold leftImg8bit/val" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
