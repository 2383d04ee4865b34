from __future__ import annotations

import json

import numpy as np
import pytest
from outputs_helpers import MakeItem

from ovseg.outputs import FORMATS, RunContext
from ovseg.outputs.yolo import _quoted
from ovseg.vocabulary import ClassSpec, Vocabulary


@pytest.fixture
def two_patches() -> np.ndarray:
    labels = np.zeros((40, 80), np.uint8)
    labels[10:30, 20:60] = 2
    labels[0:4, 0:4] = 2
    labels[35:40, 70:80] = 1
    return labels


def test_yolo_lines_are_pieces_in_parts_of_the_image(
    context: RunContext, make_item: MakeItem, two_patches: np.ndarray
) -> None:
    FORMATS.get("yolo")(context).write(make_item(two_patches, stem="a/x.y", size=(400, 800)))
    lines = (context.out / "yolo/labels/a/x.y.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "0", "1"]  # class from 0; large pieces first
    for line in lines:
        points = np.array(line.split()[1:], float).reshape(-1, 2)
        assert len(points) >= 3
        assert points.min() >= 0
        assert points.max() <= 1
    large = np.array(lines[0].split()[1:], float).reshape(-1, 2)
    assert large.min(axis=0) == pytest.approx([0.25, 0.25], abs=0.02)
    assert large.max(axis=0) == pytest.approx([0.75, 0.75], abs=0.02)


def test_yolo_image_without_objects_has_an_empty_file(context: RunContext, make_item: MakeItem) -> None:
    FORMATS.get("yolo")(context).write(make_item([[0, 255]]))
    assert (context.out / "yolo/labels/sub/photo.txt").read_bytes() == b""


def test_yolo_data_file_names_the_classes(context: RunContext) -> None:
    yaml = pytest.importorskip("yaml")
    names = ("cat", 'a "quoted" \\ name', "two\nlines", "crème: #1", "- 猫 🐈", "yes", "a\x85b")
    context = RunContext(context.out, Vocabulary(tuple(ClassSpec(name) for name in names)))
    path = FORMATS.get("yolo")(context).finish([], {})
    assert path == context.out / "yolo/data.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert content == {"train": "images", "val": "images", "names": dict(enumerate(names))}


def test_names_are_quoted_for_yaml() -> None:
    assert _quoted('a"b\\c\nd') == '"a\\U00000022b\\U0000005Cc\\U0000000Ad"'


def test_labelme_files_hold_a_polygon_a_piece_in_pixels_of_the_photo(
    context: RunContext, make_item: MakeItem, two_patches: np.ndarray
) -> None:
    item = make_item(two_patches, stem="a b/x", size=(400, 800))
    FORMATS.get("labelme")(context).write(item)
    path = context.out / "labelme/a b/x.json"
    content = json.loads(path.read_bytes())
    assert content["imageData"] is None
    assert (content["imageHeight"], content["imageWidth"]) == (400, 800)
    assert (path.parent / content["imagePath"]).resolve() == item.source.resolve()
    assert not content["imagePath"].startswith("/")
    assert [shape["label"] for shape in content["shapes"]] == ["grass", "cat", "grass"]
    assert [shape["group_id"] for shape in content["shapes"]] == [2, None, 2]
    assert all(shape["shape_type"] == "polygon" for shape in content["shapes"])
    points = np.array(content["shapes"][0]["points"])
    assert points.min(axis=0) == pytest.approx([200, 100], abs=10)
    assert points.max(axis=0) == pytest.approx([600, 300], abs=10)


def test_labelme_keeps_things_apart(context: RunContext, make_item: MakeItem) -> None:
    FORMATS.get("labelme")(context).write(make_item([[1, 0, 1], [3, 0, 0]], stem="x"))
    shapes = json.loads((context.out / "labelme/x.json").read_bytes())["shapes"]
    assert [(shape["label"], shape["group_id"]) for shape in shapes] == [
        ("cat", None),
        ("cat", None),
        ("<script>", None),
    ]


def test_nothing_is_written_beside_the_input(context: RunContext, make_item: MakeItem) -> None:
    item = make_item([[1, 2], [2, 1]])
    before = sorted(item.source.parent.rglob("*"))
    for name in ("labelme", "yolo", "coco", "panoptic", "rrle", "png", "overlay", "html"):
        writer = FORMATS.get(name)(context)
        writer.write(item)
        writer.finish([item.stem], {})
    assert sorted(item.source.parent.rglob("*")) == before
