"""Weights that are not there, or not what is recorded: exit code 4 and the command that mends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_missing_weights_end_with_4_and_the_command_to_get_them(
    ovseg: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ovseg.encoders.preset_card.find_file", lambda card: None)
    for preset in ("offline", "auto"):
        result = ovseg("segment", photos, "-c", "cat", "-o", tmp_path / "out", "--preset", preset)
        assert result.exit_code == 4
        assert result.stderr.startswith("error: ")
        assert "run  ovseg models download offline" in result.stderr
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""
    assert not (tmp_path / "out").exists()


def test_unknown_preset_names_the_nearest(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    result = ovseg("segment", photos, "-c", "cat", "-o", tmp_path / "out", "--preset", "ofline")
    assert result.exit_code == 2
    assert "unknown preset 'ofline': did you mean offline?" in result.stderr


def test_weights_of_another_hash_end_with_4(
    ovseg: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "weights.bin"
    wrong.write_bytes(b"not what was recorded")
    for module in ("ovseg.weights.locate", "ovseg.encoders.preset_card"):
        monkeypatch.setattr(f"{module}.find_file", lambda card: wrong)
    result = ovseg("segment", photos, "-c", "cat", "-o", tmp_path / "out", "--preset", "offline",
                   "--cache-dir", tmp_path / "cache")  # fmt: skip
    assert result.exit_code == 4
    assert "SHA-256" in result.stderr
    assert "run  ovseg models download" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_device_that_is_not_there(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    result = ovseg("segment", photos, "-c", "cat", "-o", tmp_path / "out", "--device", "cuda:99")
    assert result.exit_code == 2
    assert "no device 'cuda:99' here" in result.stderr
    result = ovseg("segment", photos, "-c", "cat", "-o", tmp_path / "out", "--device", "tpu-9000")
    assert result.exit_code == 2
    assert "unknown device 'tpu-9000'" in result.stderr
