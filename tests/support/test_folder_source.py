"""The folder source: which folder is which class, and what lies beside a photo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ovseg.errors import InputError, UsageError
from ovseg.support.annotations import draw_annotations, read_annotation
from ovseg.support.base import UNKNOWN
from ovseg.support.folder import FolderSource
from ovseg.vocabulary import ClassSpec

SIZE = (40, 60)
CLASSES = (ClassSpec("tv monitor", synonyms=("screen",)), ClassSpec("cat"))


def photo(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (SIZE[1], SIZE[0]), colour).save(path)
    return path


def grey(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    photo(tmp_path / "TV_Monitor" / "b.png", "blue")
    photo(tmp_path / "TV_Monitor" / "a.jpg", "green")
    photo(tmp_path / "TV_Monitor" / "more" / "c.png", "white")
    photo(tmp_path / "cat" / "x.png")
    return tmp_path


def test_folders_are_found_by_name_or_synonym(root: Path) -> None:
    source = FolderSource(root, CLASSES)
    names = [image.origin.name for image in source.images(CLASSES[0], 9)]
    assert names == ["TV_Monitor/a.jpg", "TV_Monitor/b.png", "TV_Monitor/more/c.png"]
    assert [image.origin.name for image in source.images(CLASSES[0], 1)] == ["TV_Monitor/a.jpg"]
    (root / "TV_Monitor").rename(root / "Screen")
    assert len(list(FolderSource(root, CLASSES).images(CLASSES[0], 9))) == 3


def test_a_class_without_folder_has_no_images(root: Path) -> None:
    classes = (*CLASSES, ClassSpec("dog"))
    assert list(FolderSource(root, classes).images(classes[2], 5)) == []


def test_folders_that_match_nothing_or_twice_are_errors(root: Path) -> None:
    (root / "lamp").mkdir()
    with pytest.raises(UsageError, match=r"lamp matches no class: rename it to one of tv monitor, cat"):
        FolderSource(root, CLASSES)
    (root / "lamp").rmdir()
    (root / "screen").mkdir()
    with pytest.raises(UsageError, match="both match tv monitor"):
        FolderSource(root, CLASSES)


def test_no_folder_and_no_folders_in_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot list"):
        FolderSource(tmp_path / "missing", CLASSES)
    with pytest.raises(UsageError, match="holds no folders"):
        FolderSource(tmp_path, CLASSES)


def test_origin_has_licence_and_hash(root: Path) -> None:
    [image] = FolderSource(root, CLASSES).images(CLASSES[1], 5)
    assert (image.origin.source, image.origin.licence, len(image.origin.sha256)) == ("folder", "unknown", 64)
    (root / "licence.txt").write_text("CC BY 4.0, by me\nand more\n")
    [image] = FolderSource(root, CLASSES).images(CLASSES[1], 5)
    assert image.origin.licence == "CC BY 4.0, by me"
    (root / "cat" / "licence.txt").write_text("CC0")
    [image] = FolderSource(root, CLASSES).images(CLASSES[1], 5)
    assert image.origin.licence == "CC0"


def test_the_description_changes_with_any_file(root: Path) -> None:
    before = FolderSource(root, CLASSES).describe()
    assert FolderSource(root, CLASSES).describe() == before
    (root / "cat" / "x.marks.json").write_text('{"points": [[3, 3]]}')
    marked = FolderSource(root, CLASSES).describe()
    assert marked["sha256"] != before["sha256"]
    photo(root / "cat" / "x.png", "yellow")
    assert FolderSource(root, CLASSES).describe()["sha256"] != marked["sha256"]


@pytest.mark.parametrize("place", ["x.mask.png", "masks/x.png"])
def test_masks_beside_the_photo_or_in_their_folder(root: Path, place: str) -> None:
    values = np.zeros(SIZE)
    values[10:20, 5:50] = 255
    grey(root / "cat" / place, values)
    [image] = FolderSource(root, CLASSES).images(CLASSES[1], 5)
    np.testing.assert_array_equal(image.mark, values / 255)


def test_masks_with_voids(root: Path) -> None:
    values = np.zeros(SIZE)
    values[:10], values[10:12] = 1, 255
    grey(root / "cat" / "x.mask.png", values)
    mark = read_annotation(root / "cat" / "x.png", SIZE)
    np.testing.assert_array_equal(mark, values)


def test_indexed_masks_are_read_as_indices(root: Path) -> None:
    image = Image.new("P", (SIZE[1], SIZE[0]), 1)
    image.putpalette([9, 9, 9, 200, 0, 0])
    image.save(root / "cat" / "x.mask.png")
    mark = read_annotation(root / "cat" / "x.png", SIZE)
    assert mark is not None
    assert (mark == 1).all()


@pytest.mark.parametrize(
    ("values", "why"),
    [(np.full(SIZE, 7), "holds 7: use 0 and 255"), (np.zeros((4, 4)), "has 4x4 pixels, its photo 60x40")],
)
def test_masks_that_do_not_fit(root: Path, values: np.ndarray, why: str) -> None:
    grey(root / "cat" / "x.mask.png", values)
    with pytest.raises(InputError, match=why):
        list(FolderSource(root, CLASSES).images(CLASSES[1], 5))


def test_two_marks_for_one_photo_are_an_error(root: Path) -> None:
    grey(root / "cat" / "x.mask.png", np.zeros(SIZE))
    (root / "cat" / "x.marks.json").write_text('{"points": [[3, 3]]}')
    with pytest.raises(InputError, match="marked twice"):
        list(FolderSource(root, CLASSES).images(CLASSES[1], 5))


def test_a_box_leaves_its_inside_open() -> None:
    mark = draw_annotations({"boxes": [[10, 5, 30, 20]]}, SIZE, "x")
    expected = np.zeros(SIZE)
    expected[5:20, 10:30] = UNKNOWN
    np.testing.assert_array_equal(mark, expected)


def test_points_and_scribbles_are_discs_and_lines() -> None:
    mark = draw_annotations({"points": [[30, 20]], "not": {"scribbles": [[[5, 5], [5, 30]]]}}, SIZE, "x")
    assert mark[20, 30] == 1
    assert mark[15, 5] == 0
    assert mark[35, 50] == UNKNOWN
    assert 1 <= (mark == 1).sum() <= 16


def test_what_is_the_class_lies_above_what_is_not() -> None:
    table = {"boxes": [[0, 0, 60, 40]], "points": [[30, 20]], "not": {"boxes": [[20, 10, 40, 30]]}}
    mark = draw_annotations(table, SIZE, "x")
    assert (mark[20, 30], mark[12, 22], mark[2, 2]) == (1, 0, UNKNOWN)


@pytest.mark.parametrize(
    "bad",
    [
        [],
        {},
        {"not": {"points": [[1, 1]]}},
        {"circles": []},
        {"points": [[1, 1]], "not": []},
        {"points": [[1, 1]], "not": {"lines": []}},
        {"points": [1, 2]},
        {"points": [[1, 2, 3]]},
        {"points": [[61, 2]]},
        {"points": [["1", 2]]},
        {"points": [[True, 2]]},
        {"points": {"a": 1}},
        {"boxes": [[5, 5, 5, 9]]},
        {"boxes": [[9, 5, 5, 9]]},
        {"boxes": [[0, 0, 9]]},
        {"scribbles": [[]]},
        {"scribbles": [[[1, 1], [float("nan"), 3]]]},
    ],
)
def test_marks_that_make_no_sense(bad: object) -> None:
    with pytest.raises(InputError, match=r"^here: "):
        draw_annotations(bad, SIZE, "here")


@pytest.mark.parametrize(
    "text", ["", "[" * 10_000, '{"points": [[1, 1]', '{"points": "' + "x" * 2**20 + '"}']
)
def test_marks_files_that_cannot_be_read(root: Path, text: str) -> None:
    (root / "cat" / "x.marks.json").write_text(text)
    with pytest.raises(InputError, match="cannot read"):
        list(FolderSource(root, CLASSES).images(CLASSES[1], 5))


def test_marks_survive_json(root: Path) -> None:
    table = {"boxes": [[1, 2, 30.5, 22]], "scribbles": [[[3, 3], [9, 9]]]}
    (root / "cat" / "x.marks.json").write_text(json.dumps(table))
    mark = read_annotation(root / "cat" / "x.png", SIZE)
    np.testing.assert_array_equal(mark, draw_annotations(table, SIZE, "x"))
