"""Banks and pools of models in folders: known by the hash of the weights, not by the folder's name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from clip_models import save_folder, tiny_model
from PIL import Image
from safetensors.torch import save_file

from ovseg.config import EncodingConfig, SegmentConfig
from ovseg.encoders.base import FeatureSpace
from ovseg.encoders.context import LoadContext
from ovseg.encoders.presets import Preset, open_preset
from ovseg.encoders.roles import ModelChoice
from ovseg.errors import BankMismatch
from ovseg.pipeline import Segmenter
from ovseg.pipeline.bank_build import BankBuildSpec
from ovseg.pipeline.banks import add_classes, build_bank
from ovseg.pipeline.sources import as_source
from ovseg.prototypes import load_bank, merge_banks
from ovseg.runs.pool import build_pool
from ovseg.support.config import BankConfig
from ovseg.support.pool.file import load_pool
from ovseg.vocabulary import Vocabulary, parse_classes

CPU = torch.device("cpu")
SMALL = BankConfig(encoding=EncodingConfig(image_size=64))


def save_shape(folder: Path, tag: str, seed: int = 0) -> Path:
    """A small vision transformer as timm lays it out; its tag says how it was trained."""
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=1).state_dict()
    save_file(weights, folder / "model.safetensors")
    config = {"architecture": "vit_tiny_patch16_224", "model_args": {"depth": 1}}
    (folder / "config.json").write_text(json.dumps(config | {"pretrained_cfg": {"tag": tag}}))
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    save_folder(tmp_path / "models" / "clip", tiny_model())
    save_shape(tmp_path / "models" / "shape", "dino")
    return tmp_path / "models"


@pytest.fixture
def support(tmp_path: Path) -> Path:
    for number, name in enumerate(("cat", "dog")):
        folder = tmp_path / "support" / name
        folder.mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 255, (64, 96, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "1.png")
        mask = np.zeros((64, 96), np.uint8)
        mask[:, :48] = 255
        Image.fromarray(mask).save(folder / "1.mask.png")
    return tmp_path / "support"


def loaded(models: Path, shape: str = "shape") -> Preset:
    roles = ModelChoice(f"local-dir:{models / 'clip'}", f"local-dir:{models / shape}", dense_variant="value")
    return open_preset("auto", LoadContext(cache_dir=models / "cache"), roles)


def bank_of(encoders: Preset, support: Path, out: Path, classes: str = "cat, dog") -> Any:
    return build_bank([classes], support, out, encoders=encoders, config=SMALL)


def test_facets_go_by_what_a_model_is(models: Path) -> None:
    save_shape(models / "dino", "augreg")
    assert [space.name for space in loaded(models).spaces] == ["backbone-key", "words"]
    assert [space.name for space in loaded(models, "dino").spaces] == ["backbone-token", "words"]


def test_a_bank_fits_the_folders_that_made_it_under_any_name(
    models: Path, support: Path, tmp_path: Path
) -> None:
    bank = bank_of(loaded(models), support, tmp_path / "a.bank")
    again = models.rename(tmp_path / "moved")
    encoders = loaded(again)
    assert bank.tables["backbone-key"].identity != encoders.fingerprints()["backbone-key"]
    config = SegmentConfig().with_settings(image_size=64)
    segmenter = Segmenter(encoders, config, bank=tmp_path / "a.bank")
    assert segmenter.segment(support / "cat" / "1.png", ["cat", "dog"]).labels.shape == (64, 96)
    other = bank_of(encoders, support, tmp_path / "b.bank")
    joined = merge_banks([bank, other])
    assert len(joined.tables["backbone-key"]) >= len(bank.tables["backbone-key"])


def test_other_weights_in_a_folder_of_the_same_name_are_refused(
    models: Path, support: Path, tmp_path: Path
) -> None:
    bank_of(loaded(models), support, tmp_path / "a.bank")
    (models / "shape").rename(models / "before")
    save_shape(models / "shape", "dino", seed=1)
    with pytest.raises(BankMismatch, match="backbone-key was made by local-dir"):
        Segmenter(loaded(models), bank=tmp_path / "a.bank")
    Segmenter(loaded(models, "before"), bank=tmp_path / "a.bank")


def test_a_pool_fits_the_folder_that_made_it_under_any_name(
    models: Path, support: Path, tmp_path: Path
) -> None:
    build_pool([support], tmp_path / "a.pool", loaded(models))
    again = loaded(models.rename(tmp_path / "moved"))
    assert len(load_pool(tmp_path / "a.pool", again.image_text)) == 4
    assert build_pool([support], tmp_path / "a.pool", again).encoded == 0
    (tmp_path / "moved" / "clip").rename(tmp_path / "moved" / "before")
    save_folder(tmp_path / "moved" / "clip", tiny_model(seed=1))
    with pytest.raises(BankMismatch, match="was made by another encoder"):
        load_pool(tmp_path / "a.pool", loaded(tmp_path / "moved").image_text)


def test_banks_of_a_facet_that_went_by_the_name_stay_good(
    models: Path, support: Path, tmp_path: Path
) -> None:
    encoders, more = loaded(models), tmp_path / "more"
    more.mkdir()
    (support / "dog").rename(more / "dog")
    # As a folder had it whose name did not say DINO.
    spaces = (FeatureSpace("backbone-token", "backbone"), FeatureSpace("words", "image_text"))
    before = Preset(replace(encoders.card, spaces=spaces), encoders.context)
    bank_of(before, support, tmp_path / "a.bank", "cat")
    segmenter = Segmenter(encoders, SegmentConfig().with_settings(image_size=64), bank=tmp_path / "a.bank")
    assert segmenter.bank is not None
    assert {space.name for space in segmenter.bank.spaces} == {"backbone-token", "words"}
    assert segmenter.segment(support / "cat" / "1.png").labels.shape == (64, 96)
    dog = Vocabulary(parse_classes(["dog"]))
    build_spec = BankBuildSpec(dog, as_source(more, encoders, dog.classes), encoders, SMALL)
    add_classes(load_bank(tmp_path / "a.bank"), build_spec, tmp_path / "a.bank")
    grown = load_bank(tmp_path / "a.bank")
    assert set(grown.tables) == {"backbone-token", "words", "text"}
    for table in grown.tables.values():
        assert set(table.classes.tolist()) == {0, 1}
