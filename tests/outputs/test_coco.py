from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outputs_helpers import MakeItem
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ovseg.errors import DependencyMissing
from ovseg.outputs import FORMATS, OutputItem, RunContext

# pycocotools decodes through an array protocol of NumPy 1.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


def write(name: str, context: RunContext, items: list[OutputItem]) -> Path:
    writer = FORMATS.get(name)(context)
    for item in reversed(items):  # any order
        writer.write(item)
    path = writer.finish([item.stem for item in items], {})
    assert path is not None
    return path


RING = [[1, 1, 1, 0, 2],
        [1, 0, 1, 0, 2],
        [1, 1, 1, 0, 255],
        [0, 0, 0, 0, 2]]  # fmt: skip


def test_pycocotools_reads_what_was_written(context: RunContext, make_item: MakeItem) -> None:
    ring = make_item(RING, stem="a/ring", confidence=0.25, suffix=".JPG")
    empty = make_item([[0, 0]], stem="b")
    path = write("coco", context, [ring, empty])
    assert path == context.out / "coco.json"
    coco = COCO(path)
    assert coco.getImgIds() == [1, 2]
    assert coco.loadImgs(1) == [{"id": 1, "file_name": "a/ring.JPG", "height": 4, "width": 5}]
    assert coco.getCatIds() == [1, 2, 3]
    assert [category["name"] for category in coco.loadCats([1, 2, 3])] == ["cat", "grass", "<script>"]
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=1))
    assert [annotation["id"] for annotation in annotations] == [1, 2, 3]
    assert [annotation["category_id"] for annotation in annotations] == [1, 2, 2]
    assert [annotation["bbox"] for annotation in annotations] == [[0, 0, 3, 3], [4, 0, 1, 2], [4, 3, 1, 1]]
    assert [annotation["area"] for annotation in annotations] == [8, 2, 1]
    assert all(annotation["iscrowd"] == 0 and annotation["score"] == 0.25 for annotation in annotations)
    assert isinstance(annotations[0]["segmentation"]["counts"], str)
    # A hole stays a hole.
    np.testing.assert_array_equal(coco.annToMask(annotations[0]), np.asarray(RING) == 1)
    assert coco.getAnnIds(imgIds=2) == []


def test_annotations_are_a_result_list_too(context: RunContext, make_item: MakeItem) -> None:
    labels = np.kron(np.random.default_rng(1).choice([0, 1, 2], (6, 6)), np.ones((20, 20)))
    truth = COCO(write("coco", context, [make_item(labels)]))
    evaluation = COCOeval(truth, truth.loadRes(truth.loadAnns(truth.getAnnIds())), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_areas_and_boxes_are_in_pixels_of_the_file(context: RunContext, make_item: MakeItem) -> None:
    path = write("coco", context, [make_item(RING, size=(12, 20))])
    first = json.loads(path.read_bytes())["annotations"][0]
    assert first["bbox"] == [0, 0, 12, 9]
    assert first["area"] == 8 * 12
    large = np.kron(np.asarray(RING), np.ones((3, 4), int))
    np.testing.assert_array_equal(coco_mask.decode(first["segmentation"]), large == 1)


def test_masks_add_up_to_the_label_map(context: RunContext, make_item: MakeItem) -> None:
    labels = np.random.default_rng(0).choice([0, 1, 2, 3, 255], (17, 23))
    coco = COCO(write("coco", context, [make_item(labels, size=(40, 50))]))
    FORMATS.get("png")(context).write(make_item(labels, size=(40, 50)))
    painted = np.zeros((40, 50), int)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        painted[coco.annToMask(annotation) == 1] = annotation["category_id"]
    with Image.open(context.out / "masks/sub/photo.png") as mask:
        expected = np.asarray(mask)
    np.testing.assert_array_equal(painted, np.where(expected == 255, 0, expected))


def test_unknown_confidence_is_no_score(context: RunContext, make_item: MakeItem) -> None:
    context = RunContext(context.out, context.vocabulary, has_confidence=False)
    content = json.loads(write("coco", context, [make_item(RING)]).read_bytes())
    assert all("score" not in annotation for annotation in content["annotations"])


@pytest.mark.parametrize("name", ["coco", "panoptic"])
def test_the_same_run_gives_the_same_bytes(name: str, context: RunContext, make_item: MakeItem) -> None:
    items = [make_item(RING, stem=stem) for stem in ("a", "b/c", "d")]
    first = write(name, context, items).read_bytes()
    assert write(name, context, items).read_bytes() == first
    assert "licenses" not in json.loads(first)


def test_no_images_at_all(context: RunContext) -> None:
    content = json.loads(write("coco", context, []).read_bytes())
    assert content["images"] == content["annotations"] == []


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("coco", "pycocotools", "pycocotools"),
        ("coco", "skimage", "scikit-image"),
        ("panoptic", "skimage", "scikit-image"),
        ("yolo", "skimage", "scikit-image"),
        ("labelme", "skimage", "scikit-image"),
    ],
)
def test_a_missing_package_is_named_before_the_first_image(
    name: str, module: str, package: str, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for loaded in [key for key in sys.modules if key.startswith(f"{module}.")]:
        monkeypatch.setitem(sys.modules, loaded, None)
    with pytest.raises(DependencyMissing, match=f"'{name}' needs {package}: pip install {package}"):
        FORMATS.get(name)(context)


def panoptic_ids(path: Path) -> Any:
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        red, green, blue = np.moveaxis(np.asarray(picture).astype(int), -1, 0)
    return red + 256 * green + 65536 * blue


def test_panoptic_segments_match_their_picture(context: RunContext, make_item: MakeItem) -> None:
    labels = [[1, 1, 0, 1],
              [0, 0, 0, 1],
              [2, 0, 3, 255],
              [2, 0, 3, 2]]  # fmt: skip
    path = write("panoptic", context, [make_item(labels, stem="a/x", size=(8, 12))])
    content = json.loads(path.read_bytes())
    assert content["categories"] == [
        {"id": 1, "name": "cat", "isthing": 1, "color": [128, 0, 0]},
        {"id": 2, "name": "grass", "isthing": 0, "color": [0, 128, 0]},
        {"id": 3, "name": "<script>", "isthing": 0, "color": [128, 128, 0]},
    ]
    assert content["images"] == [{"id": 1, "file_name": "a/x.jpg", "height": 8, "width": 12}]
    (annotation,) = content["annotations"]
    assert annotation["image_id"] == 1
    assert annotation["file_name"] == "a/x.png"
    # Two cats are two things; two pieces of grass are one region.
    assert [segment["category_id"] for segment in annotation["segments_info"]] == [1, 1, 2, 3]
    ids = panoptic_ids(context.out / "panoptic" / annotation["file_name"])
    assert ids.shape == (8, 12)
    for segment in annotation["segments_info"]:
        rows, columns = np.nonzero(ids == segment["id"])
        assert segment["area"] == len(rows)
        x, y, width, height = segment["bbox"]
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
        assert segment["iscrowd"] == 0
    assert set(np.unique(ids)) == {0, *(segment["id"] for segment in annotation["segments_info"])}


def test_panoptic_ids_beyond_a_byte(context: RunContext, make_item: MakeItem) -> None:
    labels = np.zeros((60, 60), int)
    labels[::2, ::2] = 1  # 900 things that do not touch
    write("panoptic", context, [make_item(labels, stem="many")])
    ids = panoptic_ids(context.out / "panoptic/many.png")
    assert len(np.unique(ids)) == 901
    assert ids.max() == 900
