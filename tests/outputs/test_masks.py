from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from outputs_helpers import MakeItem
from PIL import Image

from ovseg.errors import OutputError
from ovseg.outputs import FORMATS, RunContext, voc_palette
from ovseg.outputs.masks import write_mask
from ovseg.outputs.pngstream import Colour, write_png


def test_mask_is_indexed_with_the_voc_palette(context: RunContext, make_item: MakeItem) -> None:
    labels = [[0, 1, 1], [2, 255, 3]]
    writer = FORMATS.get("png")(context)
    writer.write(make_item(labels, stem="a b/x.y"))
    assert writer.finish([], {}) is None
    with Image.open(context.out / "masks/a b/x.y.png") as mask:
        assert mask.mode == "P"
        assert mask.getpalette() == voc_palette().ravel().tolist()
        assert np.asarray(mask).tolist() == labels


def test_mask_has_the_size_of_the_file(context: RunContext, make_item: MakeItem) -> None:
    FORMATS.get("png")(context).write(make_item([[1, 2]], size=(3, 5)))
    with Image.open(context.out / "masks/sub/photo.png") as mask:
        assert np.asarray(mask).tolist() == [[1, 1, 2, 2, 2]] * 3


def test_from_255_classes_on_masks_are_16_bit_grey(context: RunContext, make_item: MakeItem) -> None:
    names = ("background", *(f"class {i}" for i in range(1, 501)))
    FORMATS.get("png")(context).write(make_item([[0, 255, 256, 500, 65535]], names=names))
    with Image.open(context.out / "masks/sub/photo.png") as mask:
        assert mask.mode == "I;16"
        assert np.asarray(mask).tolist() == [[0, 255, 256, 500, 65535]]


@given(
    labels=arrays(st.sampled_from([np.uint8, np.uint16]), st.tuples(st.integers(1, 30), st.integers(1, 30)))
)
def test_masks_hold_the_labels_that_were_written(
    labels: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("round") / "mask.png"
    write_mask(path, labels, labels.shape)
    with Image.open(path) as mask:
        np.testing.assert_array_equal(np.asarray(mask), labels)


def test_large_masks_are_written_in_flat_memory(tmp_path: Path) -> None:
    labels = np.kron(np.arange(4, dtype=np.uint8).reshape(2, 2), np.ones((400, 400), np.uint8))
    tracemalloc.start()
    try:
        write_mask(tmp_path / "large.png", labels, (8000, 8000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20  # the picture itself is 64 MB
    with Image.open(tmp_path / "large.png") as mask:
        assert mask.size == (8000, 8000)
        assert [mask.getpixel(at) for at in ((0, 0), (7999, 0), (0, 7999), (4000, 4000))] == [0, 1, 2, 3]


@pytest.mark.parametrize("size", [(4, 4), (2, 4), (3, 5)], ids=["too few rows", "too many", "wrong width"])
def test_bands_must_fill_the_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        write_png(tmp_path / "x.png", size, [np.zeros((3, 4), np.uint8)], Colour.GREY)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_one_clear_line(context: RunContext, make_item: MakeItem) -> None:
    context.out.mkdir()
    (context.out / "masks").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*masks"):
        FORMATS.get("png")(context).write(make_item([[0]]))
