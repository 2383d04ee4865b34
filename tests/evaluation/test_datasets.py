"""Every supported layout, generated and read back exactly."""

from __future__ import annotations

from pathlib import Path

import evaluation_trees as trees
import numpy as np
import pytest
from scipy.io import savemat

from ovseg.evaluation.datasets import DATASETS
from ovseg.evaluation.datasets.coco import STUFF, THINGS
from ovseg.evaluation.datasets.context import _NUMBERS as CONTEXT_NUMBERS
from ovseg.evaluation.datasets.folder import load_folder
from ovseg.vocabulary import vocabulary_names


def read(dataset):
    return {sample.name: sample.read_truth() for sample in dataset.samples}


def assert_same(dataset, truths):
    found = read(dataset)
    assert list(found) == list(truths)
    for name, truth in truths.items():
        assert found[name].dtype == np.uint8
        assert np.array_equal(found[name], truth), name
    assert all(sample.image.is_file() for sample in dataset.samples)


def reduced(truth):
    """Background to void, every class one lower."""
    return np.where((truth == 0) | (truth == 255), 255, truth - 1).astype(np.uint8)


@pytest.mark.parametrize("inside", ["", "VOC2012", "VOCdevkit/VOC2012"])
def test_voc21_is_read_wherever_its_folder_lies(tmp_path, inside):
    truths = trees.voc(tmp_path / inside)
    dataset = DATASETS.get("voc21").load(tmp_path)
    assert_same(dataset, truths)
    assert dataset.classes[0] == "background"
    assert len(dataset.classes) == 21
    assert dataset.has_background


def test_voc20_ignores_background(tmp_path):
    truths = trees.voc(tmp_path)
    dataset = DATASETS.get("voc20").load(tmp_path)
    assert_same(dataset, {name: reduced(truth) for name, truth in truths.items()})
    assert (dataset.classes[0], len(dataset.classes)) == ("aeroplane", 20)


def context_names(root, names=("2008_000002", "2010_000003")):
    for seed, name in enumerate(names):
        trees.write_image(root / "JPEGImages" / f"{name}.jpg", (20, 24), seed)
    split = root / "ImageSets/SegmentationContext/val.txt"
    split.parent.mkdir(parents=True)
    split.write_text("\n".join(names))
    return names


@pytest.mark.parametrize("name", ["context60", "context59"])
def test_context_index_images(tmp_path, name):
    root = tmp_path / "VOCdevkit/VOC2010"
    truths = {n: trees.random_values(60, (20, 24), i) for i, n in enumerate(context_names(root))}
    for key, truth in truths.items():
        trees.write_mask(root / "SegmentationClassContext" / f"{key}.png", truth)
    dataset = DATASETS.get(name).load(tmp_path)
    expected = truths if name == "context60" else {n: reduced(t) for n, t in truths.items()}
    assert_same(dataset, expected)
    assert len(dataset.classes) == int(name[-2:])


def original_labels(seed):
    """A map of original labels, rare ones among them, and the same as indices of the 60 classes."""
    generator = np.random.default_rng(seed)
    rare = [number for number in range(460) if number not in CONTEXT_NUMBERS]
    pool = np.array([*generator.choice(CONTEXT_NUMBERS, 6), *generator.choice(rare, 3), 0, 255])
    labels = pool[generator.integers(0, len(pool), (20, 24))]
    lookup = {number: index for index, number in enumerate(CONTEXT_NUMBERS, start=1)}
    return labels, np.vectorize(lambda value: lookup.get(value, 0))(labels).astype(np.uint8)


@pytest.mark.parametrize("name", ["context60", "context59"])
def test_context_is_read_from_its_original_matlab_labels(tmp_path, name):
    truths = {}
    for seed, key in enumerate(context_names(tmp_path)):
        labels, truths[key] = original_labels(seed)
        (tmp_path / "trainval").mkdir(exist_ok=True)
        savemat(tmp_path / "trainval" / f"{key}.mat", {"LabelMap": labels.astype(np.uint16)})
    dataset = DATASETS.get(name).load(tmp_path)
    assert_same(dataset, truths if name == "context60" else {n: reduced(t) for n, t in truths.items()})


@pytest.mark.parametrize("name", ["context60", "context59"])
def test_context_detail_json(tmp_path, name):
    truths, images, annotations = {}, [], []
    for number, key in enumerate(context_names(tmp_path)):
        labels, truths[key] = original_labels(number)
        images.append(
            {"image_id": number, "file_name": f"{key}.jpg", "phase": "val", "height": 20, "width": 24}
        )
        annotations += [
            {"image_id": number, "category_id": int(value), "segmentation": trees.runs(labels == value)}
            for value in np.unique(labels)
            if value
        ]
    images.append({"image_id": 99, "file_name": "x.jpg", "phase": "train", "height": 20, "width": 24})
    trees.write_json(tmp_path / "trainval_merged.json", {"images": images, "annos_segmentation": annotations})
    dataset = DATASETS.get(name).load(tmp_path)
    assert_same(dataset, truths if name == "context60" else {n: reduced(t) for n, t in truths.items()})
    assert "detail API" in dataset.layout


def test_context_numbers_are_the_59():
    assert len(CONTEXT_NUMBERS) == len(set(CONTEXT_NUMBERS)) == 59
    assert list(CONTEXT_NUMBERS) == sorted(CONTEXT_NUMBERS)


COCO_NAMES = ("000000000139", "000000000285")


@pytest.mark.parametrize("images", ["images/val2017", "val2017"])
@pytest.mark.parametrize(
    ("name", "suffix", "classes"),
    [("coco-object", "_instanceTrainIds", 81), ("coco-stuff", "_labelTrainIds", 171)],
)
def test_coco_index_images(tmp_path, name, suffix, classes, images):
    truths = {n: trees.random_values(classes, (20, 28), i) for i, n in enumerate(COCO_NAMES)}
    for key, truth in truths.items():
        trees.write_image(tmp_path / images / f"{key}.jpg", truth.shape)
        trees.write_mask(tmp_path / "annotations/val2017" / f"{key}{suffix}.png", truth, palette=False)
    dataset = DATASETS.get(name).load(tmp_path)
    assert_same(dataset, truths)
    assert len(dataset.classes) == classes


@pytest.mark.parametrize("folder", ["stuffthingmaps/val2017", "stuffthingmaps_trainval2017/val2017"])
def test_coco_stuffthingmaps_give_objects_and_stuff(tmp_path, folder):
    generator = np.random.default_rng(0)
    raw = {n: generator.choice([*range(182), 255], (20, 28)).astype(np.uint8) for n in COCO_NAMES}
    objects, stuff = {}, {}
    for key, values in raw.items():
        trees.write_image(tmp_path / "images/val2017" / f"{key}.jpg", values.shape)
        trees.write_mask(tmp_path / folder / f"{key}.png", values, palette=False)
        ids = values.astype(int) + 1
        objects[key] = np.where(values == 255, 255, 0).astype(np.uint8)
        stuff[key] = np.full(values.shape, 255, np.uint8)
        for index, number in enumerate(THINGS):
            objects[key][ids == number] = index + 1
        for index, number in enumerate(THINGS + STUFF):
            stuff[key][ids == number] = index
    assert_same(DATASETS.get("coco-object").load(tmp_path), objects)
    assert_same(DATASETS.get("coco-stuff").load(tmp_path), stuff)


def coco_json(root):
    """A person of 100 pixels with a small dog (a polygon) over it, on grass, and an image of nothing."""
    person, grass = np.zeros((20, 28), bool), np.zeros((20, 28), bool)
    person[5:15, 5:15], grass[10:] = True, True
    square = [6.0, 6.0, 9.0, 6.0, 9.0, 9.0, 6.0, 9.0]
    images = [
        {"id": i, "file_name": f"{name}.jpg", "height": 20, "width": 28} for i, name in enumerate(COCO_NAMES)
    ]
    things = [
        {"image_id": 0, "category_id": 18, "area": 9, "segmentation": [square], "iscrowd": 0},
        {"image_id": 0, "category_id": 1, "area": 100, "segmentation": trees.runs(person), "iscrowd": 1},
    ]
    stuff = [
        {"image_id": 0, "category_id": 124, "area": 280, "segmentation": trees.runs(grass)},
        {"image_id": 0, "category_id": 183, "area": 280, "segmentation": trees.runs(~grass)},
    ]
    trees.write_json(root / "annotations/instances_val2017.json", {"images": images, "annotations": things})
    trees.write_json(root / "annotations/stuff_val2017.json", {"images": images, "annotations": stuff})
    for name in COCO_NAMES:
        trees.write_image(root / "val2017" / f"{name}.jpg", (20, 28))


def test_coco_json_is_drawn_with_the_smaller_on_top(tmp_path):
    coco_json(tmp_path)
    dataset = DATASETS.get("coco-object").load(tmp_path)
    expected = np.zeros((20, 28), np.uint8)
    expected[5:15, 5:15] = dataset.classes.index("person")
    expected[6:9, 6:9] = dataset.classes.index("dog")
    assert_same(dataset, {COCO_NAMES[0]: expected, COCO_NAMES[1]: np.zeros((20, 28), np.uint8)})


def test_coco_stuff_json_draws_things_over_stuff_and_leaves_the_rest_void(tmp_path):
    coco_json(tmp_path)
    dataset = DATASETS.get("coco-stuff").load(tmp_path)
    expected = np.full((20, 28), 255, np.uint8)
    expected[10:] = dataset.classes.index("grass")
    expected[5:15, 5:15] = dataset.classes.index("person")
    expected[6:9, 6:9] = dataset.classes.index("dog")
    assert_same(dataset, {COCO_NAMES[0]: expected, COCO_NAMES[1]: np.full((20, 28), 255, np.uint8)})


def test_ade20k_has_no_background_and_its_index_0_is_void(tmp_path):
    root = tmp_path / "ADEChallengeData2016"
    truths = {f"ADE_val_0000000{i}": trees.random_values(151, (20, 28), i) for i in (1, 2)}
    for key, truth in truths.items():
        trees.write_image(root / "images/validation" / f"{key}.jpg", truth.shape)
        trees.write_mask(root / "annotations/validation" / f"{key}.png", truth, palette=False)
    dataset = DATASETS.get("ade20k").load(tmp_path)
    assert_same(dataset, {n: reduced(t) for n, t in truths.items()})
    assert (dataset.classes[0], len(dataset.classes)) == ("wall", 150)


CITY_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


@pytest.mark.parametrize("ending", ["labelTrainIds", "labelIds"])
def test_cityscapes_is_read_from_train_ids_and_from_label_ids(tmp_path, ending):
    truths = {}
    for seed, name in enumerate(("frankfurt/frankfurt_000000_000294", "munster/munster_000000_000019")):
        truths[name] = truth = trees.random_values(19, (20, 40), seed)
        trees.write_image(tmp_path / "leftImg8bit/val" / f"{name}_leftImg8bit.png", truth.shape)
        values = truth
        if ending == "labelIds":
            values = np.array([*CITY_IDS, *[3] * 237], np.uint8)[truth]  # 3, "out of roi", is void
        trees.write_mask(tmp_path / "gtFine/val" / f"{name}_gtFine_{ending}.png", values, palette=False)
    assert_same(DATASETS.get("cityscapes").load(tmp_path), truths)


@pytest.mark.parametrize("background", [True, False])
def test_a_folder_is_read_with_background_and_without(tmp_path, background):
    truths = {name: trees.random_values(3, (12, 16), i) for i, name in enumerate(["a", "sub/b"])}
    trees.folder(tmp_path, ("background", "cat", "dog"), truths)
    dataset = load_folder(tmp_path, background=background)
    assert_same(dataset, truths)
    assert dataset.foreground == (("cat", "dog") if background else ("background", "cat", "dog"))


def test_folder_follows_a_link_that_git_left_as_text(tmp_path):
    trees.folder(tmp_path / "one", ("a", "b"), {"x": trees.random_values(2, (8, 8), 0)})
    trees.folder(tmp_path / "two", ("a", "b"), {"x": trees.random_values(2, (8, 8), 0)})
    for path in (tmp_path / "two/images").iterdir():
        path.unlink()
    (tmp_path / "two/images").rmdir()
    (tmp_path / "two/images").write_text("../one/images")
    sample = load_folder(tmp_path / "two", background=False).samples[0]
    assert sample.image.resolve() == (tmp_path / "one/images/x.png").resolve()


def test_folder_leaves_images_without_mask_out_and_says_so(tmp_path):
    trees.folder(tmp_path, ("a", "b"), {"x": trees.random_values(2, (8, 8), 0)})
    trees.write_image(tmp_path / "images/y.jpg", (8, 8))
    dataset = load_folder(tmp_path, background=False)
    assert [sample.name for sample in dataset.samples] == ["x"]
    assert dataset.notes() == ["1 images without a mask are left out"]


def test_counts_that_are_not_official_are_said(tmp_path):
    trees.voc(tmp_path)
    dataset = DATASETS.get("voc21").load(tmp_path)
    assert dataset.notes()[0].startswith("not the official split: 3 images instead of 1449")
    assert dataset.limited(2).notes()[1] == "only the first 2 of 3 images"


def test_official_counts_say_whose_they_are(tmp_path):
    (name,) = trees.voc(tmp_path, ("n00000",))
    names = [f"n{i:05d}" for i in range(1449)]
    for other in names[1:]:
        for folder, suffix in (("JPEGImages", ".jpg"), ("SegmentationClass", ".png")):
            (tmp_path / folder / f"{other}{suffix}").hardlink_to(tmp_path / folder / f"{name}{suffix}")
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text("\n".join(names))
    assert DATASETS.get("voc21").load(tmp_path).notes() == ["1449 images: PASCAL VOC 2012 segmentation val"]


def test_every_card_has_names_and_a_vocabulary_of_as_many_classes():
    from ovseg.evaluation.datasets.base import official_names
    from ovseg.vocabulary import load_vocabulary

    for name, card in DATASETS:
        classes = len(official_names(card)) - card.has_background
        if card.vocabulary in vocabulary_names():
            vocabulary = load_vocabulary(card.vocabulary)
            assert len(vocabulary) == classes, name
            assert vocabulary.has_background == card.has_background, name


def test_the_real_voc_sample_is_read_as_it_is(shared_data: Path):
    dataset = DATASETS.get("voc21").load(shared_data / "voc_mini")
    assert len(dataset.samples) == 231
    assert "not the official split: 231" in dataset.notes()[0]
    assert dataset.samples[0].read_truth().max() <= 255


@pytest.mark.parametrize(
    ("name", "background", "images", "classes"),
    [("coco_panoptic_mini", False, 200, 133), ("msrc_mini", False, 296, 23), ("camvid_mini", False, 59, 11)],
)
def test_the_real_folders_are_read_as_they_are(shared_data: Path, name, background, images, classes):
    dataset = load_folder(shared_data / name, background=background)
    assert (len(dataset.samples), len(dataset.classes)) == (images, classes)
    assert dataset.samples[0].image.is_file()
    assert dataset.samples[-1].read_truth().ndim == 2
