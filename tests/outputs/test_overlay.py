from __future__ import annotations

import numpy as np
import pytest
from outputs_helpers import MakeItem
from PIL import Image, ImageFont

from ovseg.outputs import FORMATS, RunContext
from ovseg.outputs.layer import FILL, label_layer
from ovseg.outputs.legend import LegendEntry, draw_legend, legend_entries, percent, printable_name
from ovseg.outputs.overlay import LONG_SIDE, SMALL_SIDE, display_size, draw_overlay


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param((480, 640), (480, 640), id="as it is"),
        pytest.param((3000, 4000), (960, 1280), id="large"),
        pytest.param((1, 1), (480, 480), id="one pixel"),
        pytest.param((2, 20000), (1, 1280), id="a strip keeps a row"),
    ],
)
def test_overlays_have_a_size_that_can_be_looked_at(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert display_size(size, smallest=SMALL_SIDE, largest=LONG_SIDE) == expected


def test_layer_is_clear_on_background_and_coloured_on_classes() -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[:, 10:] = 2
    layer = np.asarray(label_layer(labels, (20, 20)).convert("RGBA"))
    assert layer[5, 3, 3] == 0
    assert layer[5, 15].tolist() == [0, 128, 0, FILL]
    assert layer[5, 9, :3].tolist() == [255, 255, 255]  # the line, on one side of the border
    assert layer[5, 8, :3].tolist() == [0, 0, 0]  # its rim, on both sides of it
    assert layer[5, 10, :3].tolist() == [0, 0, 0]


def test_layer_of_more_labels_than_a_palette_holds_shows_the_most_frequent() -> None:
    labels = np.repeat(np.arange(1, 401, dtype=np.uint16)[:, None], 60, axis=1)
    labels[200:, :30] = 400
    layer = np.asarray(label_layer(np.kron(labels, np.ones((3, 1), np.uint16)), (1200, 60)).convert("RGBA"))
    assert layer[-1, 5, 3] == FILL
    assert (layer[..., 3] == 0).any()


def test_overlay_file_is_a_jpeg_of_photo_and_legend(context: RunContext, make_item: MakeItem) -> None:
    labels = np.zeros((300, 500), np.uint8)
    labels[100:200, 100:400] = 1
    FORMATS.get("overlay")(context).write(make_item(labels))
    with Image.open(context.out / "overlays/sub/photo.jpg") as overlay:
        assert overlay.format == "JPEG"
        assert overlay.width == 500
        assert 320 < overlay.height < 400
        red, green, _ = overlay.getpixel((250, 150))
    assert red > green + 30  # VOC's colour 1 is dark red


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (2, 3)])
def test_overlay_of_odd_shapes(shape: tuple[int, int], make_item: MakeItem) -> None:
    picture = draw_overlay(make_item(np.ones(shape, np.uint8)))
    assert picture.mode == "RGB"
    assert picture.width >= 320


def test_entries_by_share_then_background_then_void(make_item: MakeItem) -> None:
    entries = legend_entries(make_item([[0, 1, 2, 2, 255]]).segmentation)
    assert [(entry.label, entry.name) for entry in entries] == [
        (2, "grass"),
        (1, "cat"),
        (0, "background"),
        (255, "no answer"),
    ]
    assert entries[0].share == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "cat"),
        ("crème brûlée", "creme brulee"),
        ("Straße – Łódź", "Strasse - Lodz"),
        ("猫", "class 7"),
        ("قطة", "class 7"),
        ("two\nlines", "class 7"),
        ("🐈", "class 7"),
    ],
)
def test_names_are_printed_as_far_as_the_font_goes(name: str, expected: str) -> None:
    assert printable_name(name, 7, ImageFont.load_default(14)) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, "0.0 %"), (0.0004, "<0.1 %"), (0.032, "3.2 %"), (0.0996, "10 %"), (0.41, "41 %"), (1.0, "100 %")],
)
def test_shares_are_written_with_two_digits(share: float, expected: str) -> None:
    assert percent(share) == expected


def test_legend_grows_with_its_entries_up_to_a_limit() -> None:
    def height(count: int) -> int:
        entries = [LegendEntry(i + 1, f"a class called {i}", 1 / count) for i in range(count)]
        return draw_legend(entries, 400, font_size=14).height

    assert draw_legend([], 400, font_size=14).height == 0
    assert height(1) < height(4) < height(40) == height(400)


def test_a_name_wider_than_the_picture_is_cut() -> None:
    assert draw_legend([LegendEntry(1, "very " * 200, 0.5)], 320, font_size=14).size[0] == 320
