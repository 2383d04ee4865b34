"""What the package adds to ovseg, through its entry point alone."""

import json
import subprocess
import sys
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from learned_world import demo
from learned_world.cards import WORLD_NAMES
from learned_world.names import STUFF, THINGS
from learned_world.plugin import register
from learned_world.vocabulary import FILE
from ovseg.cli.app import application
from ovseg.encoders.presets import LoadContext, choose_preset, open_preset
from ovseg.encoders.roles import ModelChoice
from ovseg.vocabulary import load_vocabulary

CPU = torch.device("cpu")


def test_the_entry_point_is_installed():
    (point,) = (p for p in entry_points(group="ovseg.plugins") if p.name == "learned_world")
    assert point.load() is register


def test_a_fresh_process_finds_all_of_it_by_name():
    code = """
from ovseg.cli.demonstrations import find_demonstration
from ovseg.encoders.presets import choose_preset
from ovseg.weights.cards import CARDS
print(choose_preset("world").name, CARDS.get("world-names").name, find_demonstration("world").__name__)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["world", "world-names", "prepare"]


def test_the_vocabulary_file_has_all_names():
    vocabulary = load_vocabulary(str(FILE))
    assert [spec.name for spec in vocabulary.classes] == [*THINGS, *STUFF]
    assert [spec.kind for spec in vocabulary.classes] == ["thing"] * len(THINGS) + ["stuff"] * len(STUFF)


def test_the_backbone_is_loaded_without_the_image_text_encoder(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("an image-text encoder was built")

    monkeypatch.setattr("learned_world.encoders.ClipEncoder", refuse)
    preset = open_preset("world", LoadContext(cache_dir=None))
    assert preset.backbone.family == "clip"
    (weights,) = preset.describe("backbone")["weights"]
    assert weights["sha256"] == WORLD_NAMES.sha256
    with pytest.raises(AssertionError, match="an image-text encoder was built"):
        preset.load()


def test_the_words_that_the_encoder_knows_come_with_it():
    assert choose_preset("world").words == (*THINGS, *STUFF)
    assert choose_preset("world", ModelChoice(prototype_backbone="world-names")).words == (*THINGS, *STUFF)
    assert choose_preset("world", ModelChoice(image_text_encoder="world-names")).words == ()


# diffusers' own deprecations, of how its classes call each other.
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.slow
def test_the_demonstration_leaves_masks_and_its_page(tmp_path, monkeypatch):
    pytest.importorskip("diffusers")
    monkeypatch.setattr(demo, "COUNT", 2)
    monkeypatch.setattr(demo, "SHOTS", 2)
    out = tmp_path / "out"
    result = CliRunner().invoke(
        application(), ["demo", "--world", "-o", str(out), "--device", "cpu"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{out / 'report.html'}\n"
    assert str(out / "world.html") in result.stderr
    assert "From names to masks" in (out / "world.html").read_text(encoding="utf-8")
    assert json.loads((out / "run.json").read_text())["config"]["segmenter"]["preset"] == "world"
    masks = [np.asarray(Image.open(path)) for path in sorted((out / "masks").iterdir())]
    assert len(masks) == 2
    assert all(mask.shape == (128, 128) for mask in masks)
    assert len(np.unique(masks)) > 2
