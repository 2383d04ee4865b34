"""Any form of an image becomes the same pixels, or a line that says what to do."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ovseg.errors import InputError
from ovseg.images import ImageLimits, as_image, as_pixels, load_image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREY = RGB[..., 0]
GREY_RGB = np.repeat(GREY[..., None], 3, axis=2)


def encoded(pixels: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(RGB, RGB, id="RGB"),
        pytest.param(np.asfortranarray(RGB), RGB, id="other memory order"),
        pytest.param(RGB[:, ::-1], RGB[:, ::-1], id="negative strides"),
        pytest.param(GREY, GREY_RGB, id="grey"),
        pytest.param(GREY[..., None], GREY_RGB, id="grey with an axis"),
        pytest.param(RGB.transpose(2, 0, 1), RGB, id="channels first"),
        pytest.param(GREY[None], GREY_RGB, id="grey, channels first"),
        pytest.param(RGB.astype(np.float32) / 255, RGB, id="float32"),
        pytest.param(RGB.astype(np.float64) / 255, RGB, id="float64"),
        pytest.param(RGB.astype(np.uint16) * 257, RGB, id="uint16"),
        pytest.param(torch.from_numpy(RGB).permute(2, 0, 1), RGB, id="tensor"),
        pytest.param(torch.from_numpy(RGB).permute(2, 0, 1) / 255, RGB, id="float tensor"),
        pytest.param((torch.from_numpy(RGB) / 255).requires_grad_(), RGB, id="channels last, with gradient"),
        pytest.param(torch.from_numpy(GREY), GREY_RGB, id="grey tensor"),
        pytest.param((torch.ones(3, 5, 7) / 2).bfloat16(), np.full((5, 7, 3), 128), id="bfloat16"),
        pytest.param(Image.fromarray(RGB), RGB, id="Pillow"),
        pytest.param(Image.fromarray(GREY), GREY_RGB, id="grey Pillow"),
        pytest.param(encoded(RGB), RGB, id="bytes"),
        pytest.param(bytearray(encoded(RGB)), RGB, id="bytearray"),
        pytest.param(memoryview(encoded(RGB)), RGB, id="memoryview"),
    ],
)
def test_every_form_is_taken(image: Any, expected: np.ndarray) -> None:
    before = np.array(image) if isinstance(image, np.ndarray) else None
    pixels = as_pixels(image)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, expected)
    pixels[:] = 0
    if before is not None:
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("form", ["array", "tensor", "Pillow", "bytes"])
def test_transparency_is_laid_on_white_in_every_form(form: str) -> None:
    rgba = np.dstack([RGB, RNG.integers(0, 256, (5, 7), dtype=np.uint8)])
    rgba[0, :, 3] = 0
    forms = {
        "array": rgba,
        "tensor": torch.from_numpy(rgba).permute(2, 0, 1),
        "Pillow": Image.fromarray(rgba),
        "bytes": encoded(rgba),
    }
    pixels = as_pixels(forms[form])
    assert (pixels[0] == 255).all()
    np.testing.assert_array_equal(pixels, as_pixels(encoded(rgba)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_pillow_image_is_turned_as_its_file_is(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    Image.fromarray(RGB).save(path, exif=exif)
    expected = load_image(path)
    with Image.open(path) as image:
        found = as_image(image)
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert found.size == expected.size
    with path.open("rb") as file:
        np.testing.assert_array_equal(as_pixels(file), expected.pixels)
    np.testing.assert_array_equal(as_pixels(str(path)), expected.pixels)
    np.testing.assert_array_equal(as_pixels(path.read_bytes()), expected.pixels)


def test_a_jpeg_that_pillow_opened_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.jpg"
    Image.fromarray(np.kron(RGB, np.ones((64, 64, 1), np.uint8))).save(path)
    with Image.open(path) as image:
        found = as_image(image)
        assert image.size == (448, 320)  # not decoded at a fraction, which would change it
    assert found.size == (320, 448)


def test_large_arrays_are_scaled_down_as_files_are() -> None:
    side = int(ImageLimits.working_pixels**0.5) + 300
    found = as_image(np.zeros((side, side), np.uint8))
    assert found.size == (side, side)
    assert found.pixels.shape[0] * found.pixels.shape[1] <= ImageLimits.working_pixels


@pytest.mark.parametrize(
    ("image", "line"),
    [
        pytest.param(RGB.astype(np.float32), "values from .* divide by 255", id="float up to 255"),
        pytest.param(RGB / 128 - 1, "undo what normalised them", id="normalised"),
        pytest.param(np.full((4, 5), np.nan), "in \\[0, 1\\]", id="not a number"),
        pytest.param(RGB.astype(np.int64), "got int64: convert", id="int64"),
        pytest.param(GREY > 9, "got bool: convert", id="bool"),
        pytest.param(RGB[None], "batch of shape 1x5x7x3: pass a list of images", id="batch"),
        pytest.param(RGB[..., :2], "1, 3 or 4 channels, got an array of shape 5x7x2", id="two channels"),
        pytest.param(GREY[0], "got 7: pass its pixels", id="a row"),
        pytest.param(RGB[:0], "got 0x7x3", id="empty"),
        pytest.param(torch.zeros(3, 9, 3), "cannot tell the channels of a tensor", id="ambiguous"),
        pytest.param(b"", "no bytes", id="no bytes"),
        pytest.param(b"text", "image bytes: it is not an image of a known format", id="other bytes"),
        pytest.param(io.StringIO("text"), "open it in binary mode", id="text file"),
        pytest.param("https://example.org/cat.jpg", "ovseg downloads nothing", id="URL"),
        pytest.param([[0, 1], [2, 3]], "expected an image, got list", id="nested list"),
        pytest.param(None, "expected an image, got NoneType", id="None"),
        pytest.param("missing.jpg", "cannot read missing.jpg: No such file", id="missing file"),
    ],
)
def test_what_is_refused_says_what_to_do(image: Any, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        as_image(image)
    assert "\n" not in str(caught.value)


def test_a_closed_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encoded(RGB))
    with (tmp_path / "x.png").open("rb") as file:
        pass
    with pytest.raises(InputError, match=r"x\.png: "):
        as_image(file)
