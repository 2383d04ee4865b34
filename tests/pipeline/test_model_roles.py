"""Presets made of models by their specs, end to end with small random models in folders."""

from __future__ import annotations

import json
import shutil
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
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.config import EncodingConfig, SegmentConfig
from ovseg.encoders.context import LoadContext
from ovseg.encoders.presets import OFFLINE, PRESETS, Preset, PresetCard, choose_preset, open_preset
from ovseg.encoders.roles import ModelChoice
from ovseg.encoders.sources import card_for
from ovseg.errors import WeightsUnavailable
from ovseg.files import file_sha256
from ovseg.pipeline import Segmenter
from ovseg.pipeline.banks import build_bank
from ovseg.pipeline.discoverer import Discoverer
from ovseg.support.config import BankConfig
from ovseg.weights.cards import LocalFile

HERE = LoadContext(cache_dir=None)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``clip``, ``shape`` and ``pipeline``: an open_clip, a timm and a diffusers folder."""
    pytest.importorskip("diffusers")
    from tiny_diffusion import save_tiny_pipeline

    root = tmp_path_factory.mktemp("models")
    save_folder(root / "clip", tiny_model())
    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=2)
    (root / "shape").mkdir()
    save_file(vit.state_dict(), root / "shape" / "model.safetensors")
    config = {"architecture": "vit_tiny_patch16_224", "model_args": {"depth": 2}}
    (root / "shape" / "config.json").write_text(json.dumps(config))
    save_tiny_pipeline(root / "pipeline")
    return root


@pytest.fixture
def photo() -> Any:
    return np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)


@pytest.mark.parametrize("variant", ["proxyclip", "naclip"])
def test_two_folders_segment_a_photo(models: Path, photo: Any, variant: str, tmp_path: Path) -> None:
    roles = ModelChoice(f"local-dir:{models / 'clip'}", f"local-dir:{models / 'shape'}", None, variant)
    config = SegmentConfig().with_settings(image_size=64)
    segmenter = Segmenter("auto", roles=roles, config=config, device="cpu", cache_dir=tmp_path)
    result = segmenter.segment(photo, ["cat", "dog=dog,puppy"])
    assert result.labels.shape == (64, 96)
    assert set(np.unique(result.labels)) <= {0, 1, 2}
    again = Segmenter("auto", roles=roles, config=config, device="cpu", cache_dir=tmp_path)
    assert np.array_equal(again.segment(photo, ["cat", "dog=dog,puppy"]).labels, result.labels)
    about = segmenter.describe()
    assert about["preset"].startswith("custom")
    assert [len(weights["sha256"]) for weights in about["weights"]] == [64, 64]
    assert [space.name for space in segmenter.encoders.spaces] == ["backbone-token", "words"]


def test_a_pipeline_is_the_first_space_of_prototypes(models: Path) -> None:
    roles = ModelChoice(*(f"local-dir:{models / name}" for name in ("clip", "shape", "pipeline")))
    encoders = open_preset("auto", HERE, roles)
    assert [space.name for space in encoders.spaces] == [
        "prototype_backbone-query",
        "backbone-token",
        "words",
    ]
    identity = encoders.fingerprint(encoders.spaces[0])
    assert identity["encoder"]["timestep"] == 200


def test_a_folder_finds_objects(models: Path, photo: Any) -> None:
    roles = ModelChoice(*(f"local-dir:{models / name}" for name in ("clip", "shape")))
    finder = Discoverer(open_preset("auto", HERE, roles))
    found = finder.discover(photo)
    assert all(region.mask.shape == (64, 96) for region in found.regions)


def test_objects_are_found_without_an_image_text_encoder(
    models: Path, photo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an image-text encoder was built")

    folder = small_preset(models, tmp_path / "small")
    monkeypatch.setattr("ovseg.encoders.clip.load_clip", refuse)
    finder = Discoverer(f"local-dir:{folder}", device="cpu")
    assert finder.discover(photo).cuts
    about = finder.describe()
    assert about["preset"] == "small"
    assert [weights["name"] for weights in about["weights"]] == ["small/shape/model.safetensors"]
    # With other models over the preset's, whether these are named by spec or built by code.
    shape = f"local-dir:{models / 'shape'}"
    for preset in (choose_preset(f"local-dir:{folder}"), OFFLINE):
        card = preset.with_models(ModelChoice(backbone=shape))
        assert Preset(card, HERE).backbone.family == "other"
        assert [weights.spec for weights in card.cards("backbone")] == [shape]
    weights = folder / "shape" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(WeightsUnavailable, match="recorded is"):
        Discoverer(f"local-dir:{folder}", device="cpu")


def test_the_weights_of_dino_are_enough_to_discover(
    models: Path, photo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape, clip = f"local-dir:{models / 'shape'}", tmp_path / "clip.safetensors"
    words = replace(card_for("ViT-B-16:openai"), name="words", at=LocalFile(clip))
    cards = (words, replace(card_for(shape), name="dino"))
    models_of_half = ModelChoice("ViT-B-16:openai", shape)
    card = PresetCard("half", "words that are not here", models_of_half, weights=cards)
    monkeypatch.setattr(PRESETS, "_entries", {"half": card})
    Image.fromarray(photo).save(tmp_path / "photo.png")
    arguments = ["discover", str(tmp_path / "photo.png"), "-f", "boxes", "--image-size", "64"]
    for preset in ("auto", "half"):
        out = tmp_path / preset
        result = CliRunner().invoke(application(), [*arguments, "--preset", preset, "-o", str(out)])
        assert result.exit_code == 0, result.stderr
        about = json.loads((out / "run.json").read_text())["config"]["segmenter"]
        assert about["preset"] == "half"
        assert [weights["name"] for weights in about["weights"]] == ["dino"]
    with pytest.raises(WeightsUnavailable, match=r"\(words\)"):
        choose_preset("half")
    away = replace(card, weights=(words, replace(cards[1], at=LocalFile(clip))))
    monkeypatch.setattr(PRESETS, "_entries", {"half": away})
    result = CliRunner().invoke(application(), [*arguments, "--preset", "half", "-o", str(tmp_path / "none")])
    assert result.exit_code == 4
    assert "(dino): run" in result.stderr


def small_preset(models: Path, folder: Path) -> Path:
    """A preset of CLIP and DINO in a folder, with a hash of the latter."""
    for part in ("clip", "shape"):
        shutil.copytree(models / part, folder / part)
    table = {
        "format": "ovseg-preset",
        "version": 1,
        "summary": "small",
        "licence": "Apache-2.0",
        "roles": {"image_text_encoder": "clip", "backbone": "shape", "dense_variant": "value"},
        "sha256": {"shape/model.safetensors": file_sha256(folder / "shape" / "model.safetensors")},
    }
    (folder / "preset.json").write_text(json.dumps(table))
    return folder


def test_a_preset_in_a_folder_loads_and_is_held_to_its_hashes(models: Path, tmp_path: Path) -> None:
    folder = small_preset(models, tmp_path / "small")
    weights = folder / "shape" / "model.safetensors"
    encoders = open_preset(f"local-dir:{folder}", HERE)
    assert encoders.name == "small"
    assert encoders.image_text.describe()["variant"] == "value"
    other = open_preset(f"local-dir:{folder}", HERE, ModelChoice(dense_variant="sclip"))
    assert other.image_text.describe()["variant"] == "sclip"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(WeightsUnavailable, match="recorded is"):
        open_preset(f"local-dir:{folder}", HERE).load()


def test_banks_and_pools_are_made_with_a_preset_in_a_folder(models: Path, photo: Any, tmp_path: Path) -> None:
    preset = f"local-dir:{small_preset(models, tmp_path / 'small')}"
    (tmp_path / "support" / "cat").mkdir(parents=True)
    Image.fromarray(photo).save(tmp_path / "support" / "cat" / "1.png")
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[:, :48] = 255
    Image.fromarray(mask).save(tmp_path / "support" / "cat" / "1.mask.png")
    flags = ["--preset", preset, "--device", "cpu", "--cache-dir", str(tmp_path)]
    made = [
        *("bank", "build", "--source", "folder", "--support", str(tmp_path / "support")),
        *("--image-size", "64", "-o", str(tmp_path / "a.bank"), *flags),
    ]
    result = CliRunner().invoke(application(), made, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    config = BankConfig(encoding=EncodingConfig(image_size=64))
    again = build_bank(
        ["cat"], tmp_path / "support", tmp_path / "b.bank",
        preset=preset, device="cpu", cache_dir=tmp_path, config=config,
    )  # fmt: skip
    assert again.metadata["preset"] == "small"
    made = ["pool", "build", str(tmp_path / "support"), "-o", str(tmp_path / "a.pool"), *flags]
    result = CliRunner().invoke(application(), made, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
