"""``ovseg discover`` end to end, with an encoder whose features are colours."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import timm
import torch
from colour_photos import SQUARE, colour_card, colour_encoders, draw
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from safetensors.torch import save_file
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.cli.discover import discover
from ovseg.discovery import DiscoveryConfig
from ovseg.files import file_sha256
from ovseg.outputs import FORMATS, OutputItem, RunContext
from ovseg.pipeline import discoverer
from ovseg.pipeline.discoverer import Discoverer, grid_shape, object_vocabulary
from ovseg.types import LabelMap, Region

Invoke = Callable[..., Any]


@pytest.fixture
def ovseg(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setattr(discoverer, "choose_preset", lambda *_, **__: colour_card())
    monkeypatch.setattr(discoverer, "preset_note", lambda *_: "preset colours")

    def invoke(*arguments: object) -> Any:
        return CliRunner().invoke(application(), [str(a) for a in arguments], catch_exceptions=False)

    return invoke


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw(tmp_path / "photos" / "square.png")
    draw(tmp_path / "photos" / "sub" / "square.png")
    Image.new("RGB", (90, 60), (200, 10, 10)).save(tmp_path / "photos" / "blank.png")
    return tmp_path / "photos"


def test_objects_become_masks_boxes_and_coco(ovseg: Invoke, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = ovseg("discover", photos, "-o", out, "-f", "png,overlay,boxes,objects,eigenvectors,html")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{out / 'report.html'}\n"
    boxes = json.loads((out / "boxes.json").read_text())
    assert list(boxes) == ["blank.png", "square.png", "sub/square.png"]
    assert boxes["blank.png"] == []
    best = boxes["square.png"][0]
    assert np.abs(np.array(best["box"]) - SQUARE).max() <= 6
    assert 0.5 < best["score"] <= 1
    with Image.open(out / "masks" / "sub" / "square.png") as mask:
        assert (mask.mode, mask.size) == ("P", (200, 160))
        assert int((np.asarray(mask) == 1).sum()) == best["area"]
    coco = COCO(str(out / "objects.json"))
    annotation = coco.loadAnns(coco.getAnnIds())[0]
    assert coco.loadCats([1])[0]["name"] == "object"
    assert int(coco_mask.area(annotation["segmentation"])) == annotation["area"] == best["area"]
    with Image.open(out / "eigenvectors" / "square.png") as picture:
        assert picture.mode == "RGB"
    assert not (out / "eigenvectors" / "blank.png").exists()
    assert json.loads((out / "run.json").read_text())["config"]["segmenter"]["preset"] == "colours"


def test_damaged_files_fail_and_the_run_resumes(ovseg: Invoke, photos: Path, tmp_path: Path) -> None:
    (photos / "zero.jpg").touch()
    out = tmp_path / "out"
    first = ovseg("discover", photos, "-o", out, "-f", "boxes", "--limit", 2, "-q")
    assert first.exit_code == 0
    result = ovseg("discover", photos, "-o", out, "-f", "boxes", "--json")
    assert result.exit_code == 3
    summary = json.loads(result.stdout)
    assert (summary["done"], summary["skipped"], summary["failed"]) == (3, 2, 1)
    assert set(json.loads((out / "boxes.json").read_text())) == {"blank.png", "square.png", "sub/square.png"}


def test_another_configuration_is_refused(ovseg: Invoke, photos: Path, tmp_path: Path) -> None:
    arguments = ("discover", photos, "-o", tmp_path / "out", "-f", "boxes")
    assert ovseg(*arguments).exit_code == 0
    result = ovseg(*arguments, "--tau", 0.1)
    assert result.exit_code == 1
    assert "tau" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["discover"], 2, "no images given"),
        (["discover", "{photos}"], 2, "no output folder given"),
        (["discover", "{photos}", "-o", "{out}", "--tau", "3"], 2, "tau must be between"),
        (["discover", "{photos}", "-o", "{out}", "-f", "boxs"], 2, "boxes"),
        (["discover", "{photos}", "-o", "{out}", "--objects", "0"], 2, "max_regions must be"),
        (["discover", "{photos}/none", "-o", "{out}"], 2, "no such file"),
    ],
)
def test_wrong_usage_is_one_line(
    ovseg: Invoke, photos: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    result = ovseg(*(a.format(photos=photos, out=tmp_path / "out") for a in arguments))
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_dry_run_writes_nothing(ovseg: Invoke, photos: Path, tmp_path: Path) -> None:
    result = ovseg("discover", photos, "-o", tmp_path / "out", "--dry-run")
    assert len(result.stdout.splitlines()) == 3
    assert not (tmp_path / "out").exists()


def test_a_shape_encoder_needs_no_preset(
    ovseg: Invoke, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a preset was chosen")

    monkeypatch.setattr(discoverer, "choose_preset", refuse)
    model = tmp_path / "my_clip"  # its name says nothing: the tag in it does
    model.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=2).state_dict()
    save_file(weights, model / "model.safetensors")
    (model / "config.json").write_text(
        json.dumps(
            {
                "architecture": "vit_tiny_patch16_224",
                "model_args": {"depth": 2},
                "pretrained_cfg": {"tag": "dino"},
            }
        )
    )
    out = tmp_path / "out"
    flags = ("--backbone", f"local-dir:{model}", "--image-size", 160, "--layer", 0, "--limit", 1)
    result = ovseg("discover", photos, "-o", out, "-f", "boxes", *flags)
    assert result.exit_code == 0, result.stderr
    assert "no preset, backbone" in result.stderr
    about = json.loads((out / "run.json").read_text())["config"]["segmenter"]
    assert about["preset"] == f"none, --backbone local-dir:{model}"
    assert [weights["sha256"] for weights in about["weights"]] == [file_sha256(model / "model.safetensors")]
    chosen = about["config"]["discovery"]
    assert (chosen["facet"], chosen["layer"], chosen["tau"]) == ("key", 0, 0.2)


def test_a_tau_that_is_given_replaces_the_share_of_pairs(ovseg: Invoke, photos: Path, tmp_path: Path) -> None:
    for flags, tau, density in (((), 0.4, 0.5), (("--tau", 0.3), 0.3, None)):
        out = tmp_path / f"out{tau}"
        assert ovseg("discover", photos, "-o", out, "-f", "boxes", "--limit", 1, *flags).exit_code == 0
        chosen = json.loads((out / "run.json").read_text())["config"]["segmenter"]["config"]["discovery"]
        assert (chosen["tau"], chosen["density"]) == (tau, density)


def test_defaults_of_the_flags_are_those_of_the_configuration() -> None:
    parameters, config = inspect.signature(discover).parameters, DiscoveryConfig()
    for flag, name in (("objects", "max_regions"), ("min_score", "min_score"), ("image_size", "image_size")):
        assert parameters[flag].default == getattr(config, name)
    for name in ("split", "rounds", "refine"):
        assert parameters[name].default == getattr(config, name)


def test_bilateral_masks_have_the_edges_of_the_photo(photos: Path) -> None:
    pixels = np.asarray(Image.open(photos / "square.png"))
    finder = Discoverer(colour_encoders(), DiscoveryConfig(refine="bilateral"))
    assert finder.discover(pixels).regions[0].box == SQUARE


def test_photos_of_any_shape_fit_the_encoder() -> None:
    assert grid_shape(448, 448, 14, 448) == (32, 32)
    assert grid_shape(100, 400, 14, 448) == (16, 64)
    assert grid_shape(1, 1, 14, 448) == (32, 32)
    assert grid_shape(1, 100_000, 14, 448) == (1, 512)


def test_a_photo_of_one_pixel_holds_nothing() -> None:
    found = Discoverer(colour_encoders()).discover(np.full((1, 1, 3), 9, np.uint8))
    assert found.regions == ()


def test_the_better_of_two_overlapping_objects_lies_above(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    small[1:3, 1:3] = large[:3, :3] = True
    regions = (Region.from_mask(small, 0.75), Region.from_mask(large, 0.5))
    found = discoverer.Discovery(regions, (), (), None)
    finder = Discoverer(colour_encoders())
    monkeypatch.setattr(finder, "discover", lambda pixels: found)
    result = finder.segment_batch([np.zeros((4, 4, 3), np.uint8)], object_vocabulary(5))[0]
    assert result.labels.tolist() == [[2, 2, 2, 0], [2, 1, 1, 0], [2, 1, 1, 0], [0, 0, 0, 0]]
    assert result.confidence[0].tolist() == [0.5, 0.5, 0.5, 0.25]
    assert result.names[:3] == ("background", "object 1", "object 2")


def test_segmentations_without_regions_give_their_pieces(tmp_path: Path) -> None:
    labels = np.array([[1, 0, 2], [1, 0, 2]], np.uint8)
    confidence = np.where(labels == 2, 0.75, 0.5).astype(np.float16)
    segmentation = LabelMap(labels, confidence, ("background", "a", "b"))
    image = np.zeros((2, 3, 3), np.uint8)
    # The file is twice as large as the label map in both directions.
    item = OutputItem(PurePosixPath("x"), Path("x.jpg"), image, (4, 6), segmentation)
    context = RunContext(out=tmp_path, vocabulary=object_vocabulary(2))
    writer = FORMATS.get("boxes")(context)
    writer.write(item)
    path = writer.finish([item.stem], {})
    assert path is not None
    assert json.loads(path.read_text()) == {
        "x.jpg": [
            {"box": [4, 0, 6, 4], "score": 0.75, "area": 8},
            {"box": [0, 0, 2, 4], "score": 0.5, "area": 8},
        ]
    }
