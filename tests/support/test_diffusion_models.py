"""Finding models: what is taken, what is refused, and what the user is told."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys

import pytest
import torch
from single_file import save_single_file

from ovseg.errors import ConfigError, DependencyMissing, InputError, WeightsUnavailable
from ovseg.support.diffusion.config import DiffusionConfig
from ovseg.support.diffusion.models import find_model, load_pipeline, require_diffusers


def find(model, **settings):
    return find_model(DiffusionConfig(model=str(model), **settings))


@pytest.fixture
def copy(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "copy")


def edit_index(folder, **changes):
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def load(folder, **settings):
    config = DiffusionConfig(model=str(folder), **settings)
    return load_pipeline(find_model(config), config, torch.device("cpu"), torch.float32)


def test_a_folder_is_known_by_its_name_and_hash(tiny_folder):
    record = find(tiny_folder)
    assert (record.kind, record.name, record.licence) == ("folder", "tiny", "unknown")
    assert len(record.identity) == 64
    assert "path" not in record.to_dict()


def test_identity_is_that_of_the_files(tiny_folder, copy):
    assert find(copy).identity == find(tiny_folder).identity
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert find(copy).identity != find(tiny_folder).identity


def test_the_licence_of_a_folder_is_that_of_its_card(copy):
    (copy / "README.md").write_text("---\ntags: [x]\nlicense: creativeml-openrail-m\n---\n# A model\n")
    assert find(copy).licence == "creativeml-openrail-m"
    assert find(copy, licence="mine").licence == "mine"


def test_a_hub_model_that_is_not_here(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsUnavailable) as caught:
        find(DiffusionConfig().model)
    assert "hf download stable-diffusion-v1-5/stable-diffusion-v1-5" in str(caught.value)
    assert "CreativeML OpenRAIL-M" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hub_model_that_is_here(monkeypatch, tmp_path, tiny_folder):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--somebody--tiny"
    shutil.copytree(tiny_folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    record = find("somebody/tiny")
    assert (record.kind, record.name, record.identity) == ("hub", "somebody/tiny", commit)
    with pytest.raises(WeightsUnavailable, match="--revision v2"):
        find("somebody/tiny", revision="v2")


@pytest.mark.parametrize("model", ["no-such-thing", "a/b/c", "../x", "", "a b/c"])
def test_what_is_no_model(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        find(model)


def test_pickled_weights_are_refused(tmp_path, copy):
    file = tmp_path / "model.ckpt"
    file.write_bytes(b"x")
    with pytest.raises(InputError, match="pickled weights"):
        find(file)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(WeightsUnavailable, match="pickled weights only"):
        find(copy)


def test_a_folder_without_a_pipeline(tmp_path):
    with pytest.raises(InputError, match=r"no model_index\.json"):
        find(tmp_path)


def test_a_folder_that_is_not_complete(copy):
    shutil.rmtree(copy / "vae")
    with pytest.raises(WeightsUnavailable, match="vae/"):
        find(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"_class_name": ["pipeline", "Mine"]},
        {"unet": ["my_code", "Net"]},
        {"../unet": ["diffusers", "UNet2DConditionModel"]},
        {"unet": ["diffusers", 3]},
    ],
)
def test_code_of_a_pipelines_own_is_not_run(copy, changes):
    (copy / "my_code.py").write_text("raise SystemExit('ran')")
    edit_index(copy, **changes)
    with pytest.raises((InputError, WeightsUnavailable)):
        find(copy)


@pytest.mark.parametrize("damage", ["truncated", "no header", "other shapes"])
def test_damaged_weights_are_one_line(copy, damage):
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "no header":
        weights.write_bytes(b"\xff" * 1000)
    else:
        config = copy / "unet" / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"block_out_channels": [16, 16]}))
    with pytest.raises(InputError, match="cannot load the pipeline") as caught:
        load(copy)
    assert "\n" not in str(caught.value)


def test_a_pipeline_that_starts_from_a_picture_is_refused(copy):
    edit_index(copy, _class_name="StableDiffusionImg2ImgPipeline")
    with pytest.raises(InputError, match="not a text-to-image pipeline"):
        load(copy)


def test_a_scheduler_that_does_not_fit(copy):
    edit_index(copy, scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"])
    (copy / "scheduler" / "scheduler_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="use auto or native"):
        load(copy, scheduler="ddim")
    assert type(load(copy).scheduler).__name__ == "FlowMatchEulerDiscreteScheduler"


def test_a_single_file_needs_a_layout(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"x")
    with pytest.raises(WeightsUnavailable, match="layout="):
        load(file)


def test_a_single_file(tiny_folder, tmp_path):
    whole = load(tiny_folder)
    file = save_single_file(whole, tmp_path / "model.safetensors")
    record = find(file, layout=str(tiny_folder), licence="mine")
    assert (record.kind, record.name, record.licence) == ("file", "model.safetensors", "mine")
    assert record.identity == hashlib.sha256(file.read_bytes()).hexdigest()
    found = load(file, layout=str(tiny_folder))
    for part in ("unet", "vae", "text_encoder"):
        state, expected = (getattr(pipe, part).state_dict() for pipe in (found, whole))
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[key], expected[key]) for key in state)


def test_without_diffusers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(DependencyMissing, match=r"ovseg\[diffusion\]"):
        require_diffusers()


def test_loading_says_nothing(tiny_folder, capfd):
    load(tiny_folder)
    out, err = capfd.readouterr()
    assert out == err == ""
