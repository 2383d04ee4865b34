"""``ovseg bench discovery``: the tables and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from colour_photos import SQUARE, colour_card, draw
from PIL import Image
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.encoders.presets import PRESETS, EncoderSource
from ovseg.pipeline.benchmarks.discovery import Setting, parse_settings
from ovseg.weights.cards import MINILM, LocalFile

Invoke = Callable[..., Any]


def refuse(*_: object) -> Any:
    raise AssertionError("an image-text encoder was loaded")


@pytest.fixture
def ovseg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """With a preset whose words are not on this machine."""
    words = replace(MINILM, at=LocalFile(tmp_path / "words"))
    card = replace(colour_card(), image_text=EncoderSource(refuse, (words,)))
    monkeypatch.setattr(PRESETS, "_entries", {"colours": card})

    def invoke(*arguments: object) -> Any:
        threads = torch.get_num_threads()
        try:
            return CliRunner().invoke(application(), [str(a) for a in arguments], catch_exceptions=False)
        finally:
            torch.set_num_threads(threads)

    return invoke


def test_quality_of_each_setting(ovseg: Invoke, tmp_path: Path) -> None:
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    x0, y0, x1, y1 = SQUARE
    truth = np.zeros((160, 200), np.uint8)
    truth[y0:y1, x0:x1] = 3
    masks.mkdir()
    for name in ("a", "b"):
        draw(photos / f"{name}.png")
        Image.fromarray(truth).save(masks / f"{name}.png")
    boxes = tmp_path / "boxes.json"
    # The second photo's box is elsewhere.
    boxes.write_text(json.dumps({"a": [list(SQUARE)], "b": [[0, 0, 20, 20]]}))
    objects = tmp_path / "objects.csv"
    objects.write_text("name,index\na,3\nb,3\n")
    result = ovseg(
        *("bench", "discovery", photos, "--truth", boxes),
        *("--object-photos", photos, "--object-masks", masks, "--object-list", objects),
        *("--settings", "all:value-1@0.4, cut:token-1@0.3, saliency", "--threads", 1, "--json"),
    )
    found, cut, saliency = json.loads(result.stdout)
    assert found["setting"] == "all:value-1@0.4"
    assert (found["corloc"], found["corloc_a"], found["corloc_b"]) == (0.5, 1.0, 0.0)
    assert found["iou"] > 0.85
    assert cut["corloc"] == 0.5
    # The encoder has no saliency: nothing is found with it.
    assert (saliency["corloc"], saliency["iou"]) == (0, 0)


def test_settings_are_read() -> None:
    assert parse_settings("cut+saliency:key-2@0.25,saliency") == [
        Setting("cut+saliency", -2, "key", 0.25),
        Setting("saliency", -1, "token", 0.0),
    ]
    (share,) = parse_settings("cut:value-1@50%")
    assert (share.density, str(share)) == (0.5, "cut:value-1@50%")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give PHOTOS and --truth"),
        (["{photos}"], "belong together"),
        (["{photos}", "--truth", "{photos}/b.json", "--settings", "cut"], "cannot read setting"),
    ],
)
def test_wrong_usage_is_one_line(ovseg: Invoke, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = ovseg("bench", "discovery", *(a.format(photos=tmp_path) for a in arguments))
    assert result.exit_code == 2
    assert message in result.stderr
