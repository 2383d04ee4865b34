from __future__ import annotations

import evaluation_trees as trees
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data as photos

from ovseg.errors import DatasetError
from ovseg.evaluation.datasets.folder import load_folder
from ovseg.evaluation.leakage import check, refuse
from ovseg.images import load_image
from ovseg.images.perceptual import DISTANCE, image_hash, near_copies
from ovseg.support.pool.file import save_pool
from ovseg.support.pool.model import PoolEntry, PoolItem, pool_of

NAMES = ("astronaut", "coffee", "rocket")


def photo(name):
    return Image.fromarray(getattr(photos, name)())


def bits(a, b):
    return (a ^ b).bit_count()


@pytest.mark.parametrize("name", NAMES)
def test_copies_are_near_and_other_photos_far(name, tmp_path):
    image = photo(name)
    original = image_hash(np.asarray(image))
    image.save(tmp_path / "x.jpg", quality=40)
    altered = [
        image.resize((image.width // 2, image.height // 2)),
        Image.open(tmp_path / "x.jpg"),
        image.point(lambda value: min(255, int(value * 1.1) + 5)),
    ]
    assert all(bits(original, image_hash(np.asarray(copy))) <= DISTANCE for copy in altered)
    others = [image_hash(np.asarray(photo(other))) for other in NAMES if other != name]
    assert all(bits(original, other) > 2 * DISTANCE for other in others)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=8), st.lists(st.integers(0, 2**64 - 1), max_size=8))
def test_near_copies_equal_a_double_loop(first, second):
    second = second + [value ^ 7 for value in first]
    expected = [
        (i, j, bits(a, b))
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        if bits(a, b) <= DISTANCE
    ]
    assert list(near_copies(first, second)) == expected


def test_leaks_are_reported_and_refused(tmp_path):
    truth = {name: np.zeros(np.asarray(photo(name)).shape[:2], np.uint8) for name in NAMES}
    trees.folder(tmp_path / "data", ("a", "b"), truth, {name: np.asarray(photo(name)) for name in NAMES})
    data = load_folder(tmp_path / "data", background=False)
    (tmp_path / "pool").mkdir()
    photo("coffee").resize((300, 200)).save(tmp_path / "pool/copy.jpg")
    Image.fromarray(photos.chelsea()).save(tmp_path / "pool/cat.jpg")
    report = check(data, [tmp_path / "pool"])
    (pool,) = report["pools"]
    assert (pool["folder"], pool["images"]) == ("pool", 2)
    assert [entry[:2] for entry in pool["copies"]] == [["coffee", "copy"]]
    with pytest.raises(DatasetError, match=r"1 near copies .* the first is copy in pool"):
        refuse(report)
    # A pool file knows the hashes; its photos need not be there.
    items = [
        PoolItem(
            PoolEntry(0, name, "0" * 64, 1, 1, (9, 9)),
            image_hash(load_image(tmp_path / "pool" / name).pixels),
            np.zeros((1, 2), np.float16),
            np.array([[0, 0, 1, 1]], np.float32),
        )
        for name in ("cat.jpg", "copy.jpg")
    ]
    save_pool(tmp_path / "x.pool", pool_of(items, ["/gone"], {}, "fake"))
    (in_file,) = check(data, [tmp_path / "x.pool"])["pools"]
    assert (in_file["folder"], in_file["images"]) == ("x.pool", 2)
    assert [[entry[0], entry[1], entry[2]] for entry in in_file["copies"]] == [
        ["coffee", "copy.jpg", pool["copies"][0][2]]
    ]
    (tmp_path / "pool/copy.jpg").unlink()
    refuse(check(data, [tmp_path / "pool"]))
