"""Trees that are not whole, and files that are not what they should be, end in one line that says so."""

from __future__ import annotations

import evaluation_trees as trees
import numpy as np
import pytest
from PIL import Image

from ovseg.errors import DatasetError
from ovseg.evaluation.datasets import DATASETS
from ovseg.evaluation.datasets.folder import load_folder


def voc(root, name="voc21"):
    return DATASETS.get(name).load(root)


def first_truth(root):
    return voc(root).samples[0].read_truth()


@pytest.mark.parametrize("name", ["voc21", "context59", "coco-object", "coco-stuff", "ade20k", "cityscapes"])
def test_a_missing_tree_says_where_it_was_looked_for_and_how_it_must_look(tmp_path, name):
    with pytest.raises(DatasetError) as caught:
        DATASETS.get(name).load(tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "the tree must hold" in message
    assert "\n" not in message


def test_missing_files_are_counted_and_the_first_is_named(tmp_path):
    trees.voc(tmp_path)
    (tmp_path / "SegmentationClass/2007_000042.png").unlink()
    (tmp_path / "JPEGImages/2008_000001.jpg").unlink()
    with pytest.raises(DatasetError, match=r"2 of 6 files are missing, the first is .*2008_000001\.jpg"):
        voc(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2007_000033\n\n2007_000042\n", "line 2 is empty"),
        ("2007_000033\n2007_000042\n2007_000033\n", "'2007_000033' occurs 2 times"),
        ("../2007_000033\n", "leads out of the data set"),
        ("", "names no images"),
    ],
)
def test_malformed_split_files_are_refused(tmp_path, text, message):
    trees.voc(tmp_path)
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        voc(tmp_path)


def test_missing_split_file(tmp_path):
    trees.voc(tmp_path)
    (tmp_path / "ImageSets/Segmentation/val.txt").unlink()
    with pytest.raises(DatasetError, match=r"looked for .*ImageSets/Segmentation/val\.txt"):
        voc(tmp_path)


def test_colours_instead_of_indices(tmp_path):
    trees.voc(tmp_path)
    path = tmp_path / "SegmentationClass/2007_000033.png"
    Image.open(path).convert("RGB").save(path)
    with pytest.raises(DatasetError, match=r"2007_000033\.png: mode RGB holds no class indices"):
        first_truth(tmp_path)


def test_index_out_of_range(tmp_path):
    trees.voc(tmp_path)
    trees.write_mask(tmp_path / "SegmentationClass/2007_000033.png", np.full((24, 32), 21))
    with pytest.raises(DatasetError, match="index out of range: 21; allowed are 0 to 20 and 255 for void"):
        first_truth(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n damaged", b"text"])
def test_damaged_truth_is_refused_by_its_path(tmp_path, content):
    trees.voc(tmp_path)
    (tmp_path / "SegmentationClass/2007_000033.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"cannot read .*2007_000033\.png"):
        first_truth(tmp_path)


def test_truncated_truth_is_refused(tmp_path):
    trees.voc(tmp_path)
    path = tmp_path / "SegmentationClass/2007_000033.png"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError, match="cannot read"):
        first_truth(tmp_path)


def test_sixteen_bit_masks_are_read_by_value(tmp_path):
    trees.voc(tmp_path)
    values = np.zeros((24, 32), np.uint16)
    values[0, 0] = 20
    Image.fromarray(values).save(tmp_path / "SegmentationClass/2007_000033.png")
    assert first_truth(tmp_path)[0, 0] == 20
    values[0, 1] = 300
    Image.fromarray(values).save(tmp_path / "SegmentationClass/2007_000033.png")
    with pytest.raises(DatasetError, match="index out of range: 300"):
        first_truth(tmp_path)


def test_coco_images_without_annotation(tmp_path):
    trees.write_mask(tmp_path / "annotations/val2017/a_labelTrainIds.png", np.zeros((8, 8)))
    for name in "ab":
        trees.write_image(tmp_path / "images/val2017" / f"{name}.jpg", (8, 8))
    with pytest.raises(DatasetError, match=r"1 of 2 images .* have no annotation"):
        DATASETS.get("coco-stuff").load(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"images": [{}]}'])
def test_damaged_coco_json(tmp_path, content):
    (tmp_path / "val2017").mkdir()
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_val2017.json").write_text(content)
    with pytest.raises(DatasetError, match="as COCO annotation"):
        DATASETS.get("coco-object").load(tmp_path)


def test_a_mask_of_another_size_than_the_image(tmp_path):
    image = {"id": 0, "file_name": "a.jpg", "height": 8, "width": 8}
    for segmentation in (trees.runs(np.ones((4, 4), bool)), {"size": [8, 8], "counts": "\x01"}, {}, [[1]]):
        annotation = {"image_id": 0, "category_id": 1, "area": 1, "segmentation": segmentation}
        content = {"images": [image], "annotations": [annotation]}
        trees.write_json(tmp_path / "annotations/instances_val2017.json", content)
        trees.write_image(tmp_path / "val2017/a.jpg", (8, 8))
        sample = DATASETS.get("coco-object").load(tmp_path).samples[0]
        with pytest.raises(DatasetError, match=r"instances_val2017\.json: a: "):
            sample.read_truth()


def test_damaged_matlab_files_are_refused(tmp_path):
    trees.write_image(tmp_path / "JPEGImages/a.jpg", (8, 8))
    (tmp_path / "ImageSets/SegmentationContext").mkdir(parents=True)
    (tmp_path / "ImageSets/SegmentationContext/val.txt").write_text("a\n")
    (tmp_path / "trainval").mkdir()
    (tmp_path / "trainval/a.mat").write_bytes(b"no matlab")
    with pytest.raises(DatasetError, match="cannot read a LabelMap"):
        DATASETS.get("context60").load(tmp_path).samples[0].read_truth()


def test_folder_needs_its_three_parts(tmp_path):
    with pytest.raises(DatasetError, match=r"looked for .*classes\.txt"):
        load_folder(tmp_path, background=True)
    trees.folder(tmp_path, ("a", "b"), {"x": np.zeros((8, 8))})
    (tmp_path / "images/x.png").unlink()
    with pytest.raises(DatasetError, match=r"1 of 1 masks have no image, the first is .*x\.png"):
        load_folder(tmp_path, background=True)
    (tmp_path / "masks/x.png").unlink()
    with pytest.raises(DatasetError, match="no images below"):
        load_folder(tmp_path, background=True)
    (tmp_path / "masks").rmdir()
    with pytest.raises(DatasetError, match=r"looked for .*masks"):
        load_folder(tmp_path, background=True)


def test_folder_refuses_two_images_for_one_mask(tmp_path):
    trees.folder(tmp_path, ("a", "b"), {"x": np.zeros((8, 8))})
    trees.write_image(tmp_path / "images/x.jpg", (8, 8))
    with pytest.raises(DatasetError, match="share the mask of 'x'"):
        load_folder(tmp_path, background=True)


def test_folder_refuses_doubled_and_missing_class_names(tmp_path):
    trees.folder(tmp_path, ("a", "a"), {"x": np.zeros((8, 8))})
    with pytest.raises(DatasetError, match="'a' occurs 2 times"):
        load_folder(tmp_path, background=True)
    (tmp_path / "classes.txt").write_text("\n# only a comment\n")
    with pytest.raises(DatasetError, match="holds no class names"):
        load_folder(tmp_path, background=True)


def test_folder_with_too_many_classes(tmp_path):
    trees.folder(tmp_path, tuple(f"class {i}" for i in range(256)), {"x": np.zeros((8, 8))})
    with pytest.raises(DatasetError, match="at most 254"):
        load_folder(tmp_path, background=True)
