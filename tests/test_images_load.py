"""Pixels of files in every mode and state."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ovseg.errors import InputError
from ovseg.images import ImageLimits, load_image
from ovseg.images.load import working_size

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners() -> Image.Image:
    """8 x 6: red left upper quarter, green right upper, blue left lower, white right lower."""
    image = Image.new("RGB", (8, 6), WHITE)
    image.paste(RED, (0, 0, 4, 3))
    image.paste(GREEN, (4, 0, 8, 3))
    image.paste(BLUE, (0, 3, 4, 6))
    return image


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def write_png(path: Path, width: int, height: int, *, data: bytes = b"") -> Path:
    """A PNG whose header says grey ``width`` x ``height``, whatever its data hold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )
    return path


def test_rgb_is_read_as_it_is(tmp_path: Path) -> None:
    loaded = load_image(save(corners(), tmp_path / "x.png"))
    assert loaded.size == (6, 8)
    assert loaded.pixels.dtype == np.uint8
    np.testing.assert_array_equal(loaded.pixels, np.asarray(corners()))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_exif_orientation_is_undone(tmp_path: Path, orientation: int, suffix: str) -> None:
    # What each orientation asks for, in array operations (EXIF 2.32: where row 0 and column 0 lie).
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    big = corners().resize((64, 48), Image.Resampling.NEAREST)
    options = {"quality": 100, "subsampling": 0} if suffix == ".jpg" else {}
    loaded = load_image(save(big, tmp_path / f"x{suffix}", exif=exif, **options))
    expected = turns[orientation](np.asarray(big))
    assert loaded.size == expected.shape[:2]
    np.testing.assert_allclose(loaded.pixels.astype(int), expected, atol=16)


def test_orientation_of_a_scaled_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(Image.new("RGB", (80, 40), RED), tmp_path / "x.jpg", exif=exif)
    loaded = load_image(path, working_pixels=200)
    assert loaded.size == (80, 40)
    assert loaded.pixels.shape == (20, 10, 3)


def test_damaged_exif_is_ignored(tmp_path: Path) -> None:
    path = save(corners(), tmp_path / "x.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12broken")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(load_image(path).pixels, np.asarray(corners()))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = save(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "x.jpg", quality=100)
    np.testing.assert_allclose(load_image(path).pixels.reshape(-1, 3).mean(0), RED, atol=4)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 257, 32896], [65535, 300, 25700]], dtype=np.uint16)
    pixels = load_image(save(Image.fromarray(values), tmp_path / f"x{suffix}")).pixels
    np.testing.assert_array_equal(pixels[..., 0], [[0, 1, 128], [255, 1, 100]])
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])


def test_floats_and_integers_are_stretched(tmp_path: Path) -> None:
    values = np.array([[-1.0, 0.0], [np.nan, 1.0]], dtype=np.float32)
    pixels = load_image(save(Image.fromarray(values), tmp_path / "f.tif")).pixels
    np.testing.assert_array_equal(pixels[..., 0], [[0, 128], [0, 255]])
    values = np.array([[100, 200], [151, 100]], dtype=np.int32)
    pixels = load_image(save(Image.fromarray(values), tmp_path / "i.tif")).pixels
    np.testing.assert_array_equal(pixels[..., 0], [[0, 255], [130, 0]])
    constant = np.full((2, 2), 7.0, dtype=np.float32)
    assert not load_image(save(Image.fromarray(constant), tmp_path / "c.tif")).pixels.any()


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    rgba.putpixel((1, 0), (255, 0, 0, 0))
    expected = [[RED, WHITE]]
    np.testing.assert_array_equal(load_image(save(rgba, tmp_path / "rgba.png")).pixels, expected)

    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, *GREEN])
    palette.putpixel((1, 0), 1)
    np.testing.assert_array_equal(
        load_image(save(palette, tmp_path / "p.png", transparency=1)).pixels, expected
    )
    path = save(palette, tmp_path / "bytes.png", transparency=bytes([255, 0]))
    np.testing.assert_array_equal(load_image(path).pixels, expected)

    grey = Image.new("LA", (2, 1), (100, 255))
    grey.putpixel((1, 0), (100, 0))
    path = save(grey, tmp_path / "la.png")
    np.testing.assert_array_equal(load_image(path).pixels, [[(100, 100, 100), WHITE]])


def _white(mode: str) -> Image.Image:
    if mode == "LAB":
        return Image.merge("LAB", [Image.new("L", (4, 4), value) for value in (255, 128, 128)])
    return Image.new("RGB", (4, 4), WHITE).convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "RGBX", "LAB"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    path = save(_white(mode), tmp_path / "x.tif")
    np.testing.assert_allclose(load_image(path).pixels, 255, atol=2)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif"])
def test_first_frame_of_an_animation_counts(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if suffix == ".webp" else {}
    path = save(frames[0], tmp_path / f"x{suffix}", save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(load_image(path).pixels, np.asarray(frames[0]))


def test_an_image_of_one_pixel_is_loaded(tmp_path: Path) -> None:
    loaded = load_image(save(Image.new("RGB", (1, 1), BLUE), tmp_path / "x.png"))
    assert loaded.size == (1, 1)
    np.testing.assert_array_equal(loaded.pixels, [[BLUE]])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("zero.jpg", b"", "the file is empty"),
        ("text.jpg", b"this is no image", "it is not an image of a known format"),
        ("page.png", b"<html></html>", "it is not an image of a known format"),
        ("head.png", b"\x89PNG\r\n\x1a\n", "cannot read"),
        (
            "eps.jpg",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "it is not an image of a known for",
        ),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_image(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".gif"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(Image.fromarray(noise), tmp_path / f"x{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match="cannot read"):
            load_image(path)


def test_folder_and_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").mkdir()
    with pytest.raises(InputError, match=r"x\.jpg: it is a folder \(end its name with / to search it\)"):
        load_image(tmp_path / "x.jpg")
    with pytest.raises(InputError, match=r"gone\.jpg: No such file or directory"):
        load_image(tmp_path / "gone.jpg")


@pytest.mark.parametrize("side", [12_000, 100_000], ids=["warned of by Pillow", "refused by Pillow"])
def test_bomb_is_refused_by_its_header_and_without_a_warning(tmp_path: Path, side: int) -> None:
    path = write_png(tmp_path / "bomb.png", side, side)
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(InputError, match=f"{side}x{side} pixels are more than the limit of 100 megapixels"):
        load_image(path, bomb_pixels=100 * 2**20)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_limits_default_to_the_configuration() -> None:
    assert load_image.__kwdefaults__ == vars(ImageLimits())


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "I;16", "F", "RGBA", "CMYK"])
def test_scaling_tile_by_tile_equals_scaling_the_whole(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(1).integers(0, 256, (75, 103), dtype=np.uint8)
    if mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(values.astype(np.float32))
    else:
        image = Image.fromarray(values).convert(mode)
    path = save(image, tmp_path / "x.tif")
    whole = load_image(path).pixels
    once = load_image(path, working_pixels=500).pixels
    monkeypatch.setattr("ovseg.images.load._TILE", 16)
    np.testing.assert_array_equal(load_image(path, working_pixels=500).pixels, once)
    assert once.shape[0] * once.shape[1] <= 500
    np.testing.assert_allclose(once.mean((0, 1)), whole.mean((0, 1)), atol=3)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**7))
def test_fitted_size_is_within_the_limit_and_keeps_the_shape(width: int, height: int, limit: int) -> None:
    w, h = working_size(width, height, limit)
    assert 1 <= w <= width
    assert 1 <= h <= height
    assert w * h <= limit
    if min(w, h) >= 32:
        assert w / h == pytest.approx(width / height, rel=0.05)


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM"]),
    places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=20),
    keep=st.floats(0, 1),
)
def test_damaged_bytes_give_an_image_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, kind: str, places: list[tuple[float, int]], keep: float
) -> None:
    buffer = io.BytesIO()
    corners().save(buffer, kind)
    data = bytearray(buffer.getvalue())
    for place, value in places:
        data[int(place * len(data))] = value
    path = tmp_path_factory.getbasetemp() / "damaged.jpg"
    path.write_bytes(bytes(data[: int(keep * len(data)) + 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(InputError):
            assert load_image(path, bomb_pixels=10**6).pixels.ndim == 3


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_20000_by_20000_pixels_take_bounded_memory(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"huge{suffix}"
    side = 20_000
    make = f"from PIL import Image; Image.new('RGB', ({side}, {side}), (255, 0, 0)).save({str(path)!r})"
    subprocess.run([sys.executable, "-c", make], check=True)
    read = (
        "import sys; from pathlib import Path; from ovseg.images import load_image\n"
        "loaded = load_image(Path(sys.argv[1]))\n"
        "assert loaded.size == (20000, 20000) and loaded.pixels.shape == (2048, 2048, 3)\n"
        "assert abs(loaded.pixels.reshape(-1, 3).mean(0) - (255, 0, 0)).max() < 3\n"
        # Not ru_maxrss: a child takes over its parent's peak.
        "status = Path('/proc/self/status').read_text()\n"
        "print(status.split('VmHWM:')[1].split()[0])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", read, str(path)], check=True, capture_output=True, text=True
    )
    megabytes = int(result.stdout) / 2**10
    assert megabytes < (300 if suffix == ".jpg" else 4 * side * side / 2**20 + 300)
