"""Conversions give what the run would have written itself, confidence apart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import ColourSegmenter
from PIL import Image

from ovseg.errors import InputError, OutputError, UnknownName, UsageError
from ovseg.images import ImageLimits, find_images
from ovseg.runs import RunConfig, run_segmentation
from ovseg.runs.convert import convert_run
from ovseg.vocabulary import ClassSpec, Vocabulary

VOCABULARY = Vocabulary(
    (ClassSpec("red thing", synonyms=("ruby",), kind="thing"), ClassSpec("green stuff", kind="stuff")),
    background=("wall",),
    source="somewhere.toml",
)
SIZES = {"a/one.png": (30, 20), "two.jpg": (64, 48), "a/large.png": (150, 90)}
FORMATS = ("coco", "panoptic", "yolo", "rrle")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = random.integers(0, 3, (height // 10, width // 10))
        pixels = np.array([[200, 9, 9], [9, 200, 9], [9, 9, 9]], np.uint8)[coarse]
        Image.fromarray(np.kron(pixels, np.ones((10, 10, 1), np.uint8))).resize((width, height), 0).save(path)
    return tmp_path / "photos"


@pytest.fixture
def run(photos: Path, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    # The large photo is segmented at a smaller size and its mask enlarged.
    config = RunConfig(formats=("png", *FORMATS), images=ImageLimits(working_pixels=5000))
    run_segmentation(find_images([photos]), VOCABULARY, ColourSegmenter(), out, config)
    return out


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def without_scores(data: bytes) -> Any:
    content = json.loads(data)
    for annotation in content["annotations"]:
        annotation.pop("score", None)
    return content


def test_conversion_equals_what_the_run_wrote(run: Path) -> None:
    before = files(run)
    summary = convert_run(run, ("png", *FORMATS))
    assert (summary.images, summary.done, summary.failures, summary.exit_code) == (3, 3, (), 0)
    assert summary.out == run / "converted"
    after = files(run / "converted")
    assert without_scores(after.pop("coco.json")) == without_scores(before["coco.json"])
    assert len(after) == 3 * 4 + 2  # masks, panoptic, yolo, rrle; panoptic.json and data.yaml
    for name, data in after.items():
        assert data == before[name], name
    assert {name: data for name, data in files(run).items() if not name.startswith("converted/")} == before


def test_coco_has_no_score_since_masks_have_no_confidence(run: Path) -> None:
    convert_run(run, ["coco"])
    content = json.loads((run / "converted/coco.json").read_bytes())
    assert content["annotations"]
    assert not [annotation for annotation in content["annotations"] if "score" in annotation]


def test_photos_are_needed_only_to_be_drawn(run: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "two.jpg").unlink()
    assert convert_run(run, ["coco"], tmp_path / "coco").failures == ()
    summary = convert_run(run, ["overlay", "html"], tmp_path / "drawn")
    assert (summary.done, summary.exit_code) == (2, 3)
    assert summary.failures[0].path == photos / "two.jpg"
    assert (tmp_path / "drawn/overlays/a/one.jpg").exists()
    page = summary.outputs["html"].read_text()
    assert "somewhere.toml" in page
    assert "red thing" in page


def test_another_photo_in_its_place_is_a_failure(run: Path, photos: Path, tmp_path: Path) -> None:
    Image.new("RGB", (5, 5)).save(photos / "two.jpg")
    (failure,) = convert_run(run, ["overlay"], tmp_path / "drawn").failures
    assert "its size has changed" in failure.reason


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (None, "No such file"),
        (b"not a picture", "cannot identify"),
        (np.zeros((2, 2), np.uint8), "it has not the size of its photo"),
        (np.full((20, 30), 3, np.uint8), "it has labels that classes.json has not"),
    ],
    ids=["missing", "damaged", "other size", "other labels"],
)
def test_a_bad_mask_is_a_failure_and_the_rest_goes_on(
    run: Path, tmp_path: Path, mask: Any, reason: str
) -> None:
    path = run / "masks/a/one.png"
    path.unlink()
    if isinstance(mask, bytes):
        path.write_bytes(mask)
    elif mask is not None:
        Image.fromarray(mask).save(path)
    summary = convert_run(run, ["coco"], tmp_path / "o")
    assert summary.done == 2
    assert reason in summary.failures[0].reason


def test_what_is_no_run(tmp_path: Path, run: Path, photos: Path) -> None:
    with pytest.raises(InputError, match=r"is no run folder: it has no run\.json"):
        convert_run(photos, ["coco"])
    with pytest.raises(UnknownName, match="unknown output format 'cocoa': did you mean coco"):
        convert_run(run, ["cocoa"])
    with pytest.raises(UsageError, match="scores"):
        convert_run(run, ["scores"])
    with pytest.raises(UsageError, match="eigenvectors' needs the cuts themselves"):
        convert_run(run, ["eigenvectors"])
    with pytest.raises(OutputError, match="is a run folder: give another"):
        convert_run(run, ["coco"], run)
    assert not (run / "converted").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": {"vocabulary": {}}}'])
def test_a_damaged_manifest_is_one_clear_line(run: Path, content: str) -> None:
    (run / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"cannot read .*run\.json"):
        convert_run(run, ["coco"])


def test_a_run_that_was_killed_is_converted_as_far_as_it_came(run: Path) -> None:
    manifest = json.loads((run / "run.json").read_text())
    begun = {key: manifest[key] for key in ("config_hash", "config", "files")} | {"status": "running"}
    (run / "run.json").write_text(json.dumps(begun))
    lines = (run / "images.jsonl").read_text().splitlines(keepends=True)
    (run / "images.jsonl").write_text("".join(lines[:2]))
    assert convert_run(run, ["coco"]).done == 2


def test_a_run_without_masks(run: Path, photos: Path, tmp_path: Path) -> None:
    shutil.rmtree(run)
    config = RunConfig(formats=("rrle",))
    run_segmentation(find_images([photos]), VOCABULARY, ColourSegmenter(), run, config)
    with pytest.raises(InputError, match="has no masks: run  ovseg segment --format png  first"):
        convert_run(run, ["coco"])
