"""CLIP models by name: found without the network, loaded with the right normalization, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from clip_models import MEAN, STD, TINY, save_folder, tiny_model
from safetensors.torch import load_file, save_file

from ovseg.encoders.clip.encoder import load_clip
from ovseg.encoders.clip.load import load_model
from ovseg.encoders.context import LoadContext
from ovseg.errors import UnknownName, UsageError, WeightsUnavailable

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path):
    return save_folder(tmp_path / "tiny", tiny_model())


@pytest.fixture(autouse=True)
def _no_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("OVSEG_CACHE_DIR", str(tmp_path / "ovseg"))


@torch.inference_mode()
def test_a_folder_that_open_clip_saved_loads_with_its_normalization(folder):
    original = tiny_model()
    loaded = load_model(f"local-dir:{folder}")
    assert loaded.mean == pytest.approx(MEAN)
    assert loaded.std == pytest.approx(STD)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loaded.model.encode_image(image), original.encode_image(image))
    text = loaded.tokenize(["a dog", "grass"])
    assert text.shape == (2, 20)
    torch.testing.assert_close(loaded.model.encode_text(text), original.encode_text(text))
    assert not loaded.model.training


def test_a_pytorch_file_of_tensors_loads_as_well(folder):
    state = load_file(folder / "open_clip_model.safetensors")
    (folder / "open_clip_model.safetensors").unlink()
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    loaded = load_model(f"local-dir:{folder}")
    torch.testing.assert_close(loaded.model.state_dict()["visual.proj"], state["visual.proj"])


def test_a_file_that_would_run_code_is_refused(folder):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (folder / "ran",))

    (folder / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": Payload()}, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(WeightsUnavailable, match="does not hold the weights"):
        load_model(f"local-dir:{folder}")
    assert not (folder / "ran").exists()


def wrong_shape(state):
    state["visual.proj"] = torch.zeros(3, 3)


def missing_tensor(state):
    del state["visual.ln_post.weight"]


def another_model(state):
    state.clear()
    state["encoder.weight"] = torch.zeros(2, 2)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [(wrong_shape, "visual.proj"), (missing_tensor, "visual.ln_post.weight"), (another_model, "tiny")],
)
def test_a_wrong_state_dict_is_refused_by_name(folder, spoil, named):
    path = folder / "open_clip_model.safetensors"
    state = load_file(path)
    spoil(state)
    save_file(state, path)
    with pytest.raises(WeightsUnavailable, match=named) as caught:
        load_model(f"local-dir:{folder}")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_damaged_file_is_refused(folder):
    path = folder / "open_clip_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsUnavailable, match="does not hold the weights"):
        load_model(f"local-dir:{folder}")


def test_a_folder_without_configuration_or_weights_is_refused(folder, tmp_path):
    with pytest.raises(WeightsUnavailable, match="no folder"):
        load_model(f"local-dir:{tmp_path / 'none'}")
    (folder / "open_clip_config.json").unlink()
    with pytest.raises(WeightsUnavailable, match=r"open_clip_config\.json"):
        load_model(f"local-dir:{folder}")
    (folder / "open_clip_model.safetensors").unlink()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY}))
    with pytest.raises(WeightsUnavailable, match="weights"):
        load_model(f"local-dir:{folder}")


@pytest.mark.parametrize("content", ["{", "[]", '{"model_cfg": {}}', '{"model_cfg": {"text_cfg": {"x": 1}}}'])
def test_a_configuration_of_something_else_is_refused(folder, content):
    (folder / "open_clip_config.json").write_text(content)
    with pytest.raises(UsageError, match=r"open_clip_config\.json"):
        load_model(f"local-dir:{folder}")


@pytest.mark.parametrize(
    "spec", ["ViT-B-16:openai", "ViT-L-14:datacomp_xl_s13b_b90k", "hf-hub:laion/nothing"]
)
def test_missing_weights_name_the_command_that_gets_them(spec):
    with pytest.raises(WeightsUnavailable, match="ovseg models download") as caught:
        load_clip(spec, LoadContext(cache_dir=None))
    assert caught.value.exit_code == 4


def test_what_is_no_clip_model_is_refused(folder):
    with pytest.raises(UnknownName, match="ViT-B-16"):
        load_model("ViT-B16:openai")
    with pytest.raises(UnknownName, match="laion2b_s34b_b88k"):
        load_model("ViT-B-16:opnai")
    with pytest.raises(UnknownName, match="ViT-B-16"):
        load_model(f"ViT-B16:{folder / 'open_clip_model.safetensors'}")
    (folder / "open_clip_config.json").unlink()
    (folder / "config.json").write_text('{"architecture": "vit_tiny_patch16_224"}')
    with pytest.raises(UsageError, match="no CLIP model"):
        load_model(f"local-dir:{folder}")


@pytest.fixture
def small_table(monkeypatch):
    """open_clip's tables as they are, but ViT-B-16 is a small model, so that its weights can be made here."""
    import open_clip

    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-16", TINY)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-16-quickgelu", TINY | {"quick_gelu": True})


def activation(loaded) -> str:
    return type(loaded.model.visual.transformer.resblocks[0].mlp.gelu).__name__


def test_a_tag_is_found_in_the_hubs_cache_with_its_activation_and_normalization(tmp_path, small_table):
    import open_clip

    repo = tmp_path / "hub" / "models--timm--vit_base_patch16_clip_224.metaclip_400m"
    save_folder(repo / "snapshots" / ("a" * 40), tiny_model())
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("a" * 40)
    loaded = load_model("ViT-B-16:metaclip_400m")
    assert loaded.mean == pytest.approx(open_clip.OPENAI_DATASET_MEAN)
    assert loaded.std == pytest.approx(open_clip.OPENAI_DATASET_STD)
    assert activation(loaded) == "QuickGELU"
    assert loaded.about["spec"] == "ViT-B-16:metaclip_400m"
    # Its hash is recorded when it is first seen, and held to.
    save_folder(repo / "snapshots" / ("a" * 40), tiny_model(seed=1))
    with pytest.raises(WeightsUnavailable, match="SHA-256"):
        load_model("ViT-B-16:metaclip_400m")


def test_a_file_of_weights_has_the_activation_of_its_architectures_name(folder, small_table):
    weights = folder / "open_clip_model.safetensors"
    assert activation(load_model(f"ViT-B-16:{weights}")) == "GELU"
    loaded = load_model(f"ViT-B-16-quickgelu:{weights}")
    assert activation(loaded) == "QuickGELU"
    assert loaded.mean[0] == pytest.approx(0.48145466)


def test_a_bare_file_takes_the_normalization_that_all_tags_share():
    from ovseg.encoders.clip.load import _common_row

    assert _common_row("ViT-B-16-SigLIP")["mean"] == (0.5, 0.5, 0.5)
    assert _common_row("ViT-B-16")["mean"][0] == pytest.approx(0.48145466)


def test_loading_leaves_the_root_logger_alone(folder):
    import logging

    before = (list(logging.root.handlers), logging.root.manager.disable)
    load_model(f"local-dir:{folder}")
    assert (list(logging.root.handlers), logging.root.manager.disable) == before
