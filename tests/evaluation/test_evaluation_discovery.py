from __future__ import annotations

import csv
import json

import evaluation_trees as trees
import numpy as np
import pytest
from PIL import Image

from ovseg.errors import DatasetError, InputError
from ovseg.evaluation.boxes import read_predicted_boxes, read_true_boxes
from ovseg.evaluation.discovery import BETA_SQUARED, MaskScores, box_iou, corloc
from ovseg.evaluation.object_masks import object_masks, read_object_list


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0),
        ((0, 0, 10, 10), (20, 20, 30, 30), 0),
        ((0, 0, 4, 4), (1, 1, 3, 3), 0.25),
    ],
)
def test_box_iou_by_hand(a, b, iou):
    assert box_iou(a, b) == box_iou(b, a) == pytest.approx(iou)


def test_corloc_counts_any_true_box_and_half_is_a_hit():
    true = {"hit": [(50, 50, 60, 60), (0, 0, 10, 10)], "half": [(0, 0, 10, 10)], "miss": [(0, 0, 10, 10)]}
    true |= {"none found": [(0, 0, 1, 1)], "no prediction": [(0, 0, 1, 1)], "no objects": []}
    predicted = {"hit": (1, 0, 10, 10), "half": (0, 0, 10, 5), "miss": (0, 0, 10, 4), "none found": None}
    found = corloc(predicted, true)
    assert found["corloc"] == pytest.approx(2 / 5)
    assert (found["images"], found["missing"]) == (5, 2)
    assert found["mean_iou"] == pytest.approx((0.9 + 0.5 + 0.4) / 5)
    low, high = found["interval"]
    assert low <= 0.4 <= high


def test_corloc_without_images_has_no_value():
    assert corloc({}, {})["corloc"] is None


def test_voc_xml_counts_from_one_with_both_ends(tmp_path):
    (tmp_path / "a.xml").write_text(
        "<annotation><object><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>10</xmax><ymax>20</ymax></bndbox>"
        "</object><object><name>part</name></object></annotation>"
    )
    (tmp_path / "b.xml").write_text("<annotation></annotation>")
    assert read_true_boxes(tmp_path) == {"a": [(0, 1, 10, 20)], "b": []}


def test_coco_json_leaves_crowds_out(tmp_path):
    content = {
        "images": [{"id": 7, "file_name": "x.jpg"}, {"id": 8, "file_name": "sub/y.jpg"}],
        "annotations": [
            {"image_id": 7, "bbox": [1, 2, 10, 20], "iscrowd": 0},
            {"image_id": 7, "bbox": [0, 0, 100, 100], "iscrowd": 1},
            {"image_id": 8, "bbox": [0, 0, 0, 5], "iscrowd": 0},
        ],
    }
    trees.write_json(tmp_path / "t.json", content)
    assert read_true_boxes(tmp_path / "t.json") == {"x": [(1, 2, 11, 22)], "sub/y": []}


def test_true_boxes_are_read_from_json_and_csv_without_crowds(tmp_path):
    trees.write_json(
        tmp_path / "t.json",
        {
            "a.jpg": [[0, 0, 5, 5]],
            "b": [{"box": [1, 1, 2, 2], "crowd": 1}, {"box": [0, 0, 3, 3], "crowd": 0}],
        },
    )
    assert read_true_boxes(tmp_path / "t.json") == {"a": [(0, 0, 5, 5)], "b": [(0, 0, 3, 3)]}
    (tmp_path / "t.csv").write_text("name,class,index,x0,y0,x1,y1\na,cat,3,0,0,5,5\na,cat,3,1,1,2,2\n")
    assert read_true_boxes(tmp_path / "t.csv") == {"a": [(0, 0, 5, 5), (1, 1, 2, 2)]}
    assert read_object_list(tmp_path / "t.csv") == {"a": 3}


def test_predicted_boxes_take_the_best(tmp_path):
    trees.write_json(
        tmp_path / "boxes.json",
        {
            "sub/a.jpg": [
                {"box": [0, 0, 5, 5], "score": 0.9, "area": 25},
                {"box": [1, 1, 2, 2], "score": 0.1},
            ],
            "b": [],
            "c": [1, 2, 3, 4],
            "d.v2": [[5, 6, 7, 8], [0, 0, 1, 1]],
        },
    )
    assert read_predicted_boxes(tmp_path / "boxes.json") == {
        "sub/a": (0, 0, 5, 5),
        "b": None,
        "c": (1, 2, 3, 4),
        "d.v2": (5, 6, 7, 8),
    }


@pytest.mark.parametrize("content", ["{", "[]", '{"a": [{"area": 1}]}', '{"a": [[3, 3, 3, 9]]}', '{"a": 5}'])
def test_damaged_boxes_are_refused(tmp_path, content):
    path = tmp_path / "boxes.json"
    path.write_text(content)
    with pytest.raises(InputError, match="cannot read boxes"):
        read_predicted_boxes(path)
    with pytest.raises(InputError, match="cannot read boxes"):
        read_true_boxes(path)


def test_damaged_xml_and_csv_and_empty_folder(tmp_path):
    with pytest.raises(InputError, match="holds no annotation"):
        read_true_boxes(tmp_path)
    (tmp_path / "a.xml").write_text("<annotation>")
    with pytest.raises(InputError, match="cannot read boxes"):
        read_true_boxes(tmp_path)
    (tmp_path / "a.csv").write_text("name,x0\na,1\n")
    with pytest.raises(InputError, match="cannot read boxes"):
        read_true_boxes(tmp_path / "a.csv")
    with pytest.raises(InputError, match="columns name and index"):
        read_object_list(tmp_path / "a.csv")


def slow_f_beta(predicted, true):
    """Threshold by threshold, as the papers write it."""
    best = 0.0
    for t in range(255):
        precisions, recalls = [], []
        for soft, mask in zip(predicted, true, strict=True):
            above = soft > t / 255
            precisions.append((above & mask).sum() / above.sum() if above.any() else 0.0)
            recalls.append((above & mask).sum() / mask.sum())
        p, r = np.mean(precisions), np.mean(recalls)
        if p + r:
            best = max(best, (1 + BETA_SQUARED) * p * r / (BETA_SQUARED * p + r))
    return best


def test_mask_scores_equal_a_slow_reference():
    generator = np.random.default_rng(0)
    true = [generator.random((20, 30)) < 0.4 for _ in range(4)]
    levels = [generator.integers(0, 256, (20, 30)) for _ in true]
    soft = [
        np.clip(level * 0.5 + mask * 120, 0, 255).astype(int) / 255
        for level, mask in zip(levels, true, strict=True)
    ]
    scores = MaskScores()
    for found, mask in zip(soft, true, strict=True):
        scores.add(found, mask)
    results = scores.results()
    ious = [((f > 0.5) & m).sum() / ((f > 0.5) | m).sum() for f, m in zip(soft, true, strict=True)]
    assert results["iou"] == pytest.approx(np.mean(ious), abs=1e-12)
    assert results["accuracy"] == pytest.approx(
        np.mean([((f > 0.5) == m).mean() for f, m in zip(soft, true, strict=True)]), abs=1e-12
    )
    assert results["max_f_beta"] == pytest.approx(slow_f_beta(soft, true), abs=1e-9)


def test_perfect_masks_score_one_and_void_is_left_out():
    mask = np.zeros((10, 10), bool)
    mask[2:5, 2:5] = True
    valid = np.ones((10, 10), bool)
    valid[0] = False
    found = mask.astype(float)
    found[0] = 1
    scores = MaskScores()
    scores.add(found, mask, valid)
    assert {scores.results()[key] for key in ("iou", "max_f_beta", "accuracy")} == {1}
    assert MaskScores().results()["iou"] is None
    with pytest.raises(ValueError, match="does not match"):
        scores.add(found, mask[:5])


def test_object_masks_from_files(tmp_path):
    truth = np.zeros((6, 8), np.uint8)
    truth[1:4, 1:4], truth[5] = 3, 255
    trees.write_mask(tmp_path / "true/a.png", truth)
    found = np.zeros((6, 8), np.uint8)
    found[1:4, 1:3], found[0, 0] = 1, 2  # index 2 is the second best object
    trees.write_mask(tmp_path / "found/a.png", found)
    ((mask, true, valid),) = object_masks(tmp_path / "found", tmp_path / "true", {"a": 3})
    assert (mask.sum(), true.sum(), valid.sum()) == (6, 9, 40)
    ((_, true, _),) = object_masks(tmp_path / "found", tmp_path / "true")
    assert true.sum() == 9
    trees.write_mask(tmp_path / "found/a.png", np.full((6, 8), 51), palette=False)
    ((mask, _, _),) = object_masks(tmp_path / "found", tmp_path / "true")
    assert mask.max() == pytest.approx(0.2)


def test_object_masks_that_are_not_there(tmp_path):
    with pytest.raises(DatasetError, match="holds no masks"):
        list(object_masks(tmp_path, tmp_path))
    trees.write_mask(tmp_path / "true/a.png", np.ones((6, 8)))
    with pytest.raises(InputError, match="cannot read the predicted mask"):
        list(object_masks(tmp_path / "found", tmp_path / "true"))
    trees.write_mask(tmp_path / "found/a.png", np.ones((6, 7)))
    with pytest.raises(InputError, match="has 7x6 pixels, its truth 8x6"):
        list(object_masks(tmp_path / "found", tmp_path / "true"))
    Image.new("RGB", (8, 6)).save(tmp_path / "found/a.png")
    with pytest.raises(InputError, match="mode RGB is no mask"):
        list(object_masks(tmp_path / "found", tmp_path / "true"))


def test_the_real_boxes_and_objects_are_read(shared_data):
    boxes = read_true_boxes(shared_data / "coco_mini/boxes.json")
    content = json.loads((shared_data / "coco_mini/boxes.json").read_text())
    assert len(boxes) == len(content) == 294
    assert sum(map(len, boxes.values())) == sum(
        not e["crowd"] for entries in content.values() for e in entries
    )
    perfect = {name: entries[0] if entries else None for name, entries in boxes.items()}
    assert corloc(perfect, boxes)["corloc"] == 1
    table = shared_data / "msrc_mini/single_object.csv"
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    assert read_object_list(table) == {row["name"]: int(row["index"]) for row in rows}
