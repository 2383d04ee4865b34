"""The library in one call each, with encoders of colours in place of models."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent / "pipeline"))

from fake_encoders import fake_encoders

import ovseg
from ovseg import api
from ovseg.config import SegmentConfig

CONFIG = SegmentConfig().with_settings(image_size=96, max_patches=400, refine_side=64)


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Put encoders of colours in the place of presets; the list has those that were loaded."""
    calls: list[tuple[str, str]] = []

    class Segmenter(ovseg.Segmenter):
        def __init__(self, preset: str, device: str) -> None:
            calls.append((preset, device))
            super().__init__(fake_encoders(), CONFIG)

    class Discoverer:
        def __init__(self, preset: str, device: str) -> None:
            calls.append((preset, device))

        def discover(self, image: Any) -> Any:
            return image

    monkeypatch.setattr(api, "Segmenter", Segmenter)
    monkeypatch.setattr(api, "Discoverer", Discoverer)
    api._segmenters.clear()
    api._discoverers.clear()
    yield calls
    api._segmenters.clear()
    api._discoverers.clear()


def picture() -> np.ndarray:
    """Red, grey and blue columns of equal width."""
    pixels = np.full((60, 90, 3), 128, np.uint8)
    pixels[:, :30] = (255, 0, 0)
    pixels[:, 60:] = (0, 0, 255)
    return pixels


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "x.png"
    Image.fromarray(picture()).save(path)
    return path


def test_a_name_is_a_name(photo: Path) -> None:
    assert ovseg.segment(str(photo), "tomato").names == ("background", "tomato")
    result = ovseg.segment(photo, "tomato, whale")
    assert result.names == ("background", "tomato", "whale")
    assert result.mask("tomato")[30, 10]
    assert result.mask("whale")[30, 80]
    assert result.source == photo
    names = ovseg.segment(photo, ["tomato=tomato,cherry", ovseg.ClassSpec("whale", kind="thing")]).names
    assert names == ("background", "tomato", "whale")


@pytest.mark.parametrize("wrong", [5, [5], [None]])
def test_what_is_no_name_is_refused(wrong: Any) -> None:
    with pytest.raises(ovseg.UsageError, match='write "cat, dog"'):
        ovseg.segment(picture(), wrong)
    with pytest.raises(ovseg.UsageError, match="no classes given"):
        ovseg.segment(picture(), "")


def test_a_list_of_images_gives_a_list(photo: Path) -> None:
    found = ovseg.segment([photo, picture()], "tomato, whale")
    assert isinstance(found, list)
    np.testing.assert_array_equal(found[0].labels, found[1].labels)
    assert [result.source for result in found] == [photo, None]
    assert ovseg.segment([], "tomato") == []


def test_a_segmenter_is_called_like_a_function(photo: Path) -> None:
    segmenter = ovseg.Segmenter(fake_encoders(), CONFIG)
    result = segmenter(photo, "tomato, whale")
    np.testing.assert_array_equal(result.labels, segmenter.segment(picture(), "tomato, whale").labels)
    assert isinstance(result, ovseg.Segmentation)


def test_settings_by_name(photo: Path) -> None:
    whole = ovseg.segment(photo, "tomato, whale", background=False)
    assert set(np.unique(whole.labels)) == {1, 2}
    assert not (ovseg.segment(photo, "tomato, whale").labels > 0).all()
    plain = ovseg.segment(photo, "tomato, whale", refine="none")
    own = ovseg.Segmenter(fake_encoders(), CONFIG, refine="none").segment(photo, "tomato, whale")
    np.testing.assert_array_equal(plain.confidence, own.confidence)
    assert (plain.confidence != ovseg.segment(photo, "tomato, whale").confidence).any()
    assert ovseg.segment(photo, "tomato", keep_scores=True).scores is not None
    with pytest.raises(ovseg.ConfigError, match="refine must be one of"):
        ovseg.segment(photo, "tomato", refine="sharp")
    with pytest.raises(ovseg.ConfigError, match="unknown setting 'refined'"):
        ovseg.segment(photo, "tomato", refined="none")  # type: ignore[call-overload]


def test_settings_of_one_call_do_not_reach_the_next() -> None:
    segmenter = ovseg.Segmenter(fake_encoders(), CONFIG)
    words = ovseg.Vocabulary([ovseg.ClassSpec("tomato", synonyms=("frog", "whale"))])
    before = segmenter(picture(), words).confidence
    # How synonyms count is part of what is prepared for a vocabulary.
    changed = segmenter.with_settings(synonyms="mean")(picture(), words).confidence  # type: ignore[call-arg]
    alone = ovseg.Segmenter(fake_encoders(), CONFIG.with_settings(synonyms="mean"))
    np.testing.assert_array_equal(changed, alone(picture(), words).confidence)
    assert (changed != before).any()
    np.testing.assert_array_equal(segmenter(picture(), words).confidence, before)


def test_the_segmenter_of_a_preset_and_device_is_kept(made: list[tuple[str, str]]) -> None:
    for _ in range(2):
        ovseg.segment(picture(), "tomato")
        ovseg.segment(picture(), "tomato", preset="a", device="cpu")
    assert made == [("auto", "auto"), ("a", "cpu")]
    ovseg.segment(picture(), "tomato", preset="b")
    assert len(api._segmenters) == api.KEPT
    ovseg.segment(picture(), "tomato", preset="a", device="cpu")
    assert len(made) == 3


def test_threads_that_start_together_load_one_segmenter(made: list[tuple[str, str]]) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: ovseg.segment(picture(), "tomato"), range(8)))
    assert made == [("auto", "auto")]


def test_threads_that_share_a_segmenter_get_the_same_masks() -> None:
    segmenter = ovseg.Segmenter(fake_encoders(), CONFIG)
    images = [picture(), picture()[:, ::-1], picture()[::2], picture()[:, :70]]
    names = ["tomato, whale", "whale, frog", "frog", "whale"]
    expected = [segmenter(image, name).labels for image, name in zip(images, names, strict=True)]
    start = threading.Barrier(2)

    def work(order: range) -> list[tuple[int, np.ndarray]]:
        start.wait()
        return [(i, segmenter(images[i], names[i], refine="pamr").labels) for _ in range(3) for i in order]

    with ThreadPoolExecutor(2) as threads:
        for found in threads.map(work, [range(4), range(3, -1, -1)]):
            for index, labels in found:
                np.testing.assert_array_equal(labels, expected[index])


def test_a_large_photo_gets_labels_of_its_own_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    large = np.kron(picture(), np.ones((40, 40, 1), np.uint8))
    path = tmp_path / "large.png"
    Image.fromarray(large).save(path)
    result = ovseg.segment(path, "tomato, whale", refine="none")
    assert result.labels.shape == result.confidence.shape == (2400, 3600)
    assert result.mask("whale")[:, 3300:].all()
    result.save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as mask:
        assert mask.size == (3600, 2400)


def test_a_folder_becomes_a_run_that_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a", "b"):
        Image.fromarray(picture()).save(photos / f"{name}.png")
    (photos / "c.jpg").write_text("damaged")
    out = tmp_path / "out"
    first = ovseg.segment_folder(photos, "tomato, whale", out, refine="none")
    assert (first.images, first.done, first.skipped, first.exit_code) == (3, 2, 0, 3)
    assert first.failures[0].path.name == "c.jpg"
    assert first.outputs["html"] == out / "report.html"
    expected = tmp_path / "alone.png"
    ovseg.segment(photos / "a.png", "tomato, whale", refine="none").save(expected)
    assert (out / "masks" / "a.png").read_bytes() == expected.read_bytes()

    with caplog.at_level(logging.INFO, "ovseg"):
        again = ovseg.segment_folder(photos, "tomato, whale", out, refine="none")
    assert (again.done, again.skipped) == (2, 2)
    assert f"going on with {out}: 2 of 3 images are done" in caplog.text
    with pytest.raises(ovseg.OutputError, match="or overwrite=True to clear that run"):
        ovseg.segment_folder(photos, "frog", out)
    config = ovseg.RunConfig(formats=("png", "scores"), overwrite=True)
    summary = ovseg.segment_folder(photos, "frog", out, background=False, config=config)
    assert summary.done == 2
    assert (out / "scores" / "a.safetensors").exists()


def test_a_list_of_files_is_a_folder_too(tmp_path: Path, photo: Path) -> None:
    segmenter = ovseg.Segmenter(fake_encoders(), CONFIG)
    summary = ovseg.segment_folder([photo], "tomato", tmp_path / "out", segmenter=segmenter)
    assert summary.done == 1
    with pytest.raises(ovseg.UsageError, match="no classes given"):
        ovseg.segment_folder([photo], None, tmp_path / "out", segmenter=segmenter)


def test_discover_keeps_its_model(made: list[tuple[str, str]]) -> None:
    image = picture()
    assert ovseg.discover(image) is image  # type: ignore[comparison-overlap]
    ovseg.discover(image)
    assert made == [("auto", "auto")]


def test_evaluate_measures_a_folder(tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    (root / "classes.txt").write_text("background\ntomato\nwhale\n")
    Image.fromarray(picture()).save(root / "images" / "a.png")
    truth = np.repeat([[1, 0, 2]], 60, axis=0).repeat(30, axis=1).astype(np.uint8)
    Image.fromarray(truth).save(root / "masks" / "a.png")
    segmenter = ovseg.Segmenter(fake_encoders(), CONFIG)
    summary = ovseg.evaluate("folder", root, tmp_path / "scores", segmenter=segmenter, background=True)
    assert summary.results["miou"] > 0.9
    assert (tmp_path / "scores" / "results.json").exists()
    with pytest.raises(ovseg.UsageError, match="background=True or background=False"):
        ovseg.evaluate("folder", root, tmp_path / "scores", segmenter=segmenter)
    with pytest.raises(ovseg.UnknownName, match="did you mean voc21"):
        ovseg.evaluate("voc22", root, tmp_path / "scores", segmenter=segmenter)


def test_presets_are_listed_best_first() -> None:
    presets = {preset.name: preset for preset in ovseg.list_presets()}
    assert list(presets)[:3] == ["best", "default", "fast"]
    assert presets["best"].install == "ovseg models download best"
    assert presets["offline"].summary


def test_a_vocabulary_of_plain_strings() -> None:
    words = ovseg.Vocabulary(("cat", "sofa=sofa,couch"))
    assert words.names == ("background", "cat", "sofa")
    assert words.classes[1].synonyms == ("couch",)
    assert words == ovseg.Vocabulary("cat, sofa=sofa,couch")
    assert words.hash == ovseg.Vocabulary((ovseg.ClassSpec("cat"), ovseg.ClassSpec("sofa", ("couch",)))).hash


def test_everything_that_is_exported_is_there_and_nothing_else_is_shown() -> None:
    assert dir(ovseg) == sorted(ovseg.__all__)
    for name in ovseg.__all__:
        assert getattr(ovseg, name) is not None
    with pytest.raises(AttributeError, match="module 'ovseg' has no attribute 'segmant'"):
        ovseg.segmant  # type: ignore[attr-defined]  # noqa: B018


def test_the_library_is_silent_until_logging_is_set_up() -> None:
    code = (
        "import logging, ovseg\n"
        "logging.getLogger('ovseg.x').warning('heard')\n"
        "logging.basicConfig()\n"
        "logging.getLogger('ovseg.x').warning('seen')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "seen" in result.stderr
    assert "heard" not in result.stderr
