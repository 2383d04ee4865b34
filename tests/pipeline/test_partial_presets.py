"""Commands that use the image-text encoder alone, with a preset whose backbone is not on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clip_models import save_folder, tiny_model
from PIL import Image
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.encoders.presets import PRESETS, PresetCard
from ovseg.encoders.roles import ModelChoice
from ovseg.encoders.sources import card_for
from ovseg.weights.cards import LocalFile

Invoke = Callable[..., Any]


@pytest.fixture
def ovseg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """``auto`` has one preset to take: a small CLIP that is here, with a DINO that is not."""
    clip = f"local-dir:{save_folder(tmp_path / 'clip', tiny_model())}"
    cards = (
        replace(card_for(clip), name="words"),
        replace(card_for("dino-vitb8"), name="shapes", at=LocalFile(tmp_path / "none")),
    )
    models = ModelChoice(clip, cards[1].spec, dense_variant="proxyclip")
    card = PresetCard("half", "words alone", models, weights=cards)
    monkeypatch.setattr(PRESETS, "_entries", {"half": card})

    def invoke(*arguments: object) -> Any:
        flags = () if arguments[:2] == ("pool", "info") else ("--cache-dir", tmp_path / "cache")
        words = [str(a) for a in (*arguments, *flags)]
        return CliRunner().invoke(application(), words, catch_exceptions=False)

    return invoke


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def test_pools_are_built_searched_and_measured(ovseg: Invoke, photos: Path, tmp_path: Path) -> None:
    pool = tmp_path / "photos.pool"
    assert ovseg("pool", "build", photos, "-o", pool).exit_code == 0
    assert json.loads(ovseg("pool", "info", pool, "--json").stdout)["preset"] == "half"
    found = ovseg("pool", "search", pool, "cat", "--all", "--json")
    assert len(json.loads(found.stdout)["results"]) == 3
    found = ovseg("pool", "search", pool, "--image", photos / "1.png", "--all", "--json", "--preset", "half")
    assert json.loads(found.stdout)["results"][0]["file"].endswith("1.png")
    (tmp_path / "labels.csv").write_text("file,label\n0.png,cat\n1.png,dog\n2.png,dog\n")
    (tmp_path / "names.toml").write_text('[[class]]\nname = "cat"\n[[class]]\nname = "dog"\n')
    measured = ovseg(
        *("evaluate", "retrieval", "--pool", pool, "--labels", tmp_path / "labels.csv"),
        *("--vocabulary", tmp_path / "names.toml", "-k", 1, "--json"),
    )
    assert measured.exit_code == 0, measured.stderr


def test_names_are_explained(ovseg: Invoke) -> None:
    result = ovseg("names", "cat", "-c", "cat, dog", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)[0]["words"] == ["cat"]


def test_samples_are_judged(ovseg: Invoke, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    from tiny_diffusion import save_tiny_pipeline

    save_tiny_pipeline(tmp_path / "pipeline")
    result = ovseg(
        *("support", "sample", "-c", "cat, dog", "--model", tmp_path / "pipeline", "-o", tmp_path / "out"),
        *("--shots", 1, "--steps", 1, "--margin", "-100"),
    )
    assert result.exit_code == 0, result.stderr
    selection = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert all(entry["pictures"][0]["verdict"]["rank"] >= 1 for entry in selection["classes"])


def test_what_wants_shapes_too_says_so(ovseg: Invoke, photos: Path, tmp_path: Path) -> None:
    calls = ("-c", "cat", "-o", tmp_path / "out", "--preset", "half")
    for command in (("segment", photos), ("bank", "build", "--source", "folder", "--support", photos.parent)):
        result = ovseg(*command, *calls)
        assert result.exit_code == 4
        assert "preset half needs weights that are not on this machine (shapes)" in result.stderr


def test_only_the_weights_of_names_are_missed(ovseg: Invoke, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "clip" / "open_clip_model.safetensors").unlink()
    result = ovseg("pool", "build", photos, "-o", tmp_path / "photos.pool", "--preset", "half")
    assert result.exit_code == 4
    assert "preset half needs weights for its image-text encoder that are not on this machine (words)" in (
        result.stderr
    )
    result = ovseg("pool", "build", photos, "-o", tmp_path / "photos.pool")
    assert result.exit_code == 4
    assert "no preset has the weights of its image-text encoder on this machine" in result.stderr
