"""The values that flow between rooms, devices and dtypes by name, prompt files, resizing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ovseg import prompts
from ovseg.device import resolve_device, resolve_dtype
from ovseg.errors import OvsegError, UsageError, reason
from ovseg.images.resize import resized
from ovseg.types import LabelMap, Region, void_index


def test_void_moves_to_16_bits_when_255_is_taken():
    assert [void_index(n) for n in (1, 254, 255, 500)] == [255, 255, 65535, 65535]


def test_a_region_knows_its_box_and_area():
    mask = np.zeros((6, 8), bool)
    mask[1, 2] = mask[4, 5] = True
    region = Region.from_mask(mask, 0.5)
    assert region.box == (2, 1, 6, 5)
    assert region.area == 2


@pytest.mark.parametrize("mask", [np.zeros((3, 3), bool), np.ones(3, bool)])
def test_a_region_needs_a_mask_with_pixels(mask):
    with pytest.raises(ValueError, match="expected a non-empty"):
        Region.from_mask(mask, 1.0)


def make(labels: np.ndarray, names: tuple[str, ...] = ("background", "cat")) -> LabelMap:
    return LabelMap(labels, np.ones((2, 2), np.float16), names)


def test_a_segmentation_knows_its_void_and_shares():
    result = make(np.array([[0, 1], [1, 255]], np.uint8))
    assert result.void == 255
    assert result.shares() == {0: 0.25, 1: 0.5, 255: 0.25}
    wide = make(np.zeros((2, 2), np.uint16), ("background", *map(str, range(255))))
    assert wide.void == 65535


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (np.zeros((2, 2), np.int64), ("background",), r"got \(2, 2\) int64"),
        (np.zeros(4, np.uint8), ("background",), r"got \(4,\) uint8"),
        (np.zeros((2, 3), np.uint8), ("background",), r"confidence \(2, 2\) does not match labels \(2, 3\)"),
        (np.zeros((2, 2), np.uint8), ("cat",), "names"),
        (np.zeros((2, 2), np.uint8), (), "names"),
    ],
)
def test_a_segmentation_refuses_what_does_not_fit(labels, names, message):
    with pytest.raises(ValueError, match=message):
        make(labels, names)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.toml"), "No such file or directory"),
        (OSError("image file is truncated"), "image file is truncated"),
        (ValueError("no JSON"), "no JSON"),
    ],
)
def test_a_reason_repeats_neither_number_nor_path(error, said):
    assert reason(error) == said


def test_devices_that_are_here():
    assert resolve_device("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert resolve_device().type == expected


@pytest.mark.parametrize("name", ["tpu-9000", "", "cuda:x", "meta", "vulkan", "cuda:-1"])
def test_devices_that_ovseg_does_not_know(name):
    with pytest.raises(UsageError, match=rf"^unknown device '{name}': use auto, cpu, cuda, cuda:N or mps$"):
        resolve_device(name)


def test_devices_that_are_not_here(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("cuda") == torch.device("cuda")
    with pytest.raises(UsageError, match=r"^no device 'cuda:1' here: torch sees 1 CUDA device\(s\)$"):
        resolve_device("cuda:1")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"^no device 'mps' here: use device='auto'$"):
        resolve_device("mps")


def test_dtypes_by_name(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert resolve_dtype("auto", cpu) == torch.float32
    assert resolve_dtype("float16", cpu) == torch.float16
    for has, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has: has)
        assert resolve_dtype("auto", cuda) == expected
    with pytest.raises(UsageError, match=r"^unknown dtype 'int8': use auto, float32, bfloat16, float16$"):
        resolve_dtype("int8", cpu)


def test_prompt_files_are_found():
    assert prompts.prompt_path("vocabularies", "voc21.toml").is_file()
    assert prompts.prompts_dir().is_dir()


def test_a_missing_prompt_file_is_named():
    with pytest.raises(OvsegError, match=r"^no prompt file vocabularies/none.toml in "):
        prompts.prompt_path("vocabularies", "none.toml")


def test_lines_come_without_comments_and_blanks(tmp_path: Path, monkeypatch):
    (tmp_path / "words.txt").write_text("# a list\n wall \n\nfloor # kept\n", encoding="utf-8")
    monkeypatch.setattr(prompts, "prompts_dir", lambda: tmp_path)
    assert prompts.read_lines("words.txt") == ["wall", "floor # kept"]


def test_an_installation_without_its_data_says_so(tmp_path: Path, monkeypatch):
    prompts.prompts_dir.cache_clear()
    try:
        monkeypatch.setattr(prompts, "__file__", str(tmp_path / "site" / "ovseg" / "prompts.py"))
        with pytest.raises(OvsegError, match=r"^prompt data not found beside .*: reinstall ovseg$"):
            prompts.prompts_dir()
    finally:
        prompts.prompts_dir.cache_clear()


def test_resizing_keeps_flat_colours_and_never_the_array_itself():
    pixels = np.full((5, 7, 3), (10, 200, 30), np.uint8)
    assert (resized(pixels, (11, 3)) == (10, 200, 30)).all()
    assert resized(pixels, (11, 3)).shape == (11, 3, 3)
    same = resized(pixels, (5, 7))
    same[:] = 0
    assert (pixels == (10, 200, 30)).all()


def test_shrinking_is_antialiased():
    board = np.indices((64, 64)).sum(0) % 2 * 255
    small = resized(np.repeat(board[..., None], 3, 2).astype(np.uint8), (8, 8))
    assert np.abs(small.astype(int) - 127).max() <= 2
