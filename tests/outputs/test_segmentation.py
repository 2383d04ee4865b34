"""The result that users get: masks by name, files, pictures, other libraries."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from outputs_helpers import MakeItem
from PIL import Image

from ovseg.errors import DependencyMissing, InputError, OutputError, UnknownName, UsageError
from ovseg.outputs import FORMATS, RunContext
from ovseg.outputs.segmentation import Segmentation

NAMES = ("background", "cat", "coffee cup", "<b>dog</b>")


def make(labels: np.ndarray | None = None, source: Path | None = None) -> Segmentation:
    if labels is None:
        labels = np.zeros((40, 60), np.uint8)
        labels[10:30, :20] = 1
        labels[20:, 40:] = 3
        labels[0, 0] = 255
    return Segmentation(labels, np.full(labels.shape, 0.5, np.float16), NAMES, source=source)


def photo(height: int = 40, width: int = 60) -> Image.Image:
    return Image.new("RGB", (width, height), "teal")


def test_masks_are_found_by_name() -> None:
    result = make()
    mask = result.mask("cat")
    assert mask.dtype == np.bool_
    assert mask.shape == (40, 60)
    assert mask.sum() == 400
    np.testing.assert_array_equal(result.mask(" Coffee  CUP "), np.zeros((40, 60), bool))
    assert result.mask("background").sum() == 40 * 60 - 400 - 400 - 1
    assert result.label("<b>dog</b>") == 3


def test_an_unknown_name_gets_suggestions() -> None:
    with pytest.raises(UnknownName, match=r"^no class is named 'cats': did you mean cat\?$"):
        make().mask("cats")
    with pytest.raises(UnknownName, match="there is background, cat, coffee cup"):
        make().mask("zebra")


def test_the_mask_file_is_that_of_a_run(tmp_path: Path, context: RunContext, make_item: MakeItem) -> None:
    labels = np.zeros((30, 50), np.uint8)
    labels[5:20, 10:40] = 2
    item = make_item(labels)
    FORMATS.get("png")(context).write(item)
    FORMATS.get("overlay")(context).write(item)
    result = Segmentation(labels, item.segmentation.confidence, item.segmentation.names)
    assert result.save(tmp_path / "deep" / "mask.png") == tmp_path / "deep" / "mask.png"
    assert (tmp_path / "deep/mask.png").read_bytes() == (context.out / "masks/sub/photo.png").read_bytes()
    result.save(tmp_path / "overlay.jpg", image=item.image)
    assert (tmp_path / "overlay.jpg").read_bytes() == (context.out / "overlays/sub/photo.jpg").read_bytes()


def test_the_format_follows_the_suffix_or_is_said(tmp_path: Path) -> None:
    make().save(str(tmp_path / "cat.PNG"))
    make().save(tmp_path / "cat.mask", format="mask")
    assert (tmp_path / "cat.PNG").read_bytes() == (tmp_path / "cat.mask").read_bytes()
    make().save(tmp_path / "cat.jpeg", image=photo())
    with Image.open(tmp_path / "cat.jpeg") as saved:
        assert saved.format == "JPEG"
    with pytest.raises(UsageError, match=r"end its name with .png \(mask\) or .jpg \(overlay\)"):
        make().save(tmp_path / "cat.gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        make().save(tmp_path / "file" / "cat.png")


def test_the_overlay_is_drawn_on_the_image_that_was_segmented(tmp_path: Path) -> None:
    picture = make().overlay(np.asarray(photo()))
    assert picture.mode == "RGB"
    assert picture.size[0] == 480
    with pytest.raises(InputError, match="the image has 60x41 pixels, the result 60x40"):
        make().overlay(photo(41))
    with pytest.raises(UsageError, match="pass the one that was segmented"):
        make().overlay()
    photo().save(tmp_path / "photo.png")
    assert make(source=tmp_path / "photo.png").overlay().tobytes() == picture.tobytes()


def test_a_result_at_another_size() -> None:
    large = make().at_size((80, 120))
    np.testing.assert_array_equal(large.labels, np.kron(make().labels, np.ones((2, 2), np.uint8)))
    assert large.labels.dtype == np.uint8
    assert large.confidence.shape == (80, 120)
    same = make()
    assert same.at_size((40, 60)) is same


def test_the_representation_is_short_and_says_what_is_there() -> None:
    assert repr(make()) == "Segmentation(60x40: background 67 %, cat 17 %, <b>dog</b> 17 %, no answer 0 %)"
    many = np.arange(1, 101, dtype=np.uint8).reshape(10, 10)
    result = Segmentation(many, np.ones((10, 10), np.float16), ("background", *map(str, range(1, 101))))
    assert repr(result).endswith("6 1 %, 94 more)")


def test_a_notebook_shows_the_mask_and_its_names() -> None:
    html = make()._repr_html_()
    assert "&lt;b&gt;dog&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "no answer" in html
    assert 'src="data:image/png;base64,' in html
    with Image.open(io.BytesIO(make()._repr_png_())) as shown:
        assert shown.size == (60, 40)
        assert shown.convert("RGB").getpixel((5, 20)) == (128, 0, 0)
    wide = make(np.ones((10, 5000), np.uint16))
    with Image.open(io.BytesIO(wide._repr_png_())) as shown:
        assert shown.size == (320, 1)


class Detections(SimpleNamespace):
    @classmethod
    def empty(cls) -> Detections:
        return cls(xyxy=np.empty((0, 4)))


def test_detections_of_supervision(monkeypatch: pytest.MonkeyPatch) -> None:
    def mask_to_xyxy(masks: np.ndarray) -> np.ndarray:
        spots = [np.argwhere(mask) for mask in masks]
        return np.array([[*spot.min(0)[::-1], *spot.max(0)[::-1]] for spot in spots])

    monkeypatch.setitem(
        sys.modules, "supervision", SimpleNamespace(Detections=Detections, mask_to_xyxy=mask_to_xyxy)
    )
    found = make().to_supervision()
    assert found.class_id.tolist() == [1, 3]
    assert found.data["class_name"].tolist() == ["cat", "<b>dog</b>"]
    assert found.xyxy.tolist() == [[0, 10, 19, 29], [40, 20, 59, 39]]
    assert found.mask.shape == (2, 40, 60)
    assert found.confidence.tolist() == [0.5, 0.5]
    nothing = make(np.zeros((4, 4), np.uint8)).to_supervision()
    assert len(nothing.xyxy) == 0


def test_without_supervision_the_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(DependencyMissing, match="pip install supervision"):
        make().to_supervision()
