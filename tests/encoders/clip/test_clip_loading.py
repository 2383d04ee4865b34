"""CLIP models by name: found without the network, loaded with the right normalization, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from clip_models import MEAN, STD, TINY, save_folder, tiny_model
from safetensors.torch import load_file, save_file

from ovseg.encoders.clip.encoder import load_clip
from ovseg.encoders.clip.files import find_files
from ovseg.encoders.clip.load import load_model
from ovseg.encoders.clip.spec import ClipSpec
from ovseg.errors import UnknownName, UsageError, WeightsUnavailable

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path):
    return save_folder(tmp_path / "tiny", tiny_model())


@pytest.fixture(autouse=True)
def _no_caches(monkeypatch, tmp_path):
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ViT-B-16:openai", {"architecture": "ViT-B-16", "tag": "openai"}),
        ("ViT-B-16:/models/b16.bin", {"architecture": "ViT-B-16", "path": Path("/models/b16.bin")}),
        ("ViT-B-16:b16.safetensors", {"architecture": "ViT-B-16", "path": Path("b16.safetensors")}),
        ("hf-hub:timm/ViT-B-16-SigLIP", {"repository": "timm/ViT-B-16-SigLIP"}),
        ("hf-hub:a/b@1234", {"repository": "a/b", "revision": "1234"}),
        ("local-dir:/models/tiny", {"path": Path("/models/tiny")}),
    ],
)
def test_a_specification_is_read(text, expected):
    spec = ClipSpec.parse(text)
    assert spec == ClipSpec(text, **expected)
    assert str(spec) == text


@pytest.mark.parametrize(
    "text", ["", "ViT-B-16", "ViT-B-16:", ":openai", "hf-hub:name", "local-dir:", "a/b:c"]
)
def test_what_is_no_specification_is_refused(text):
    with pytest.raises(UsageError, match="cannot read"):
        ClipSpec.parse(text)


@torch.inference_mode()
def test_a_folder_that_open_clip_saved_loads_with_its_normalization(folder):
    original = tiny_model()
    loaded = load_model(ClipSpec.parse(f"local-dir:{folder}"))
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
    loaded = load_model(ClipSpec.parse(f"local-dir:{folder}"))
    torch.testing.assert_close(loaded.model.state_dict()["visual.proj"], state["visual.proj"])


def test_a_file_that_would_run_code_is_refused(folder):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (folder / "ran",))

    (folder / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": Payload()}, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(WeightsUnavailable, match="does not hold the weights"):
        load_model(ClipSpec.parse(f"local-dir:{folder}"))
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
        load_model(ClipSpec.parse(f"local-dir:{folder}"))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_damaged_file_is_refused(folder):
    path = folder / "open_clip_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsUnavailable, match="does not hold the weights"):
        load_model(ClipSpec.parse(f"local-dir:{folder}"))


def test_a_folder_without_configuration_or_weights_is_refused(tmp_path):
    with pytest.raises(WeightsUnavailable, match="no folder"):
        find_files(ClipSpec.parse(f"local-dir:{tmp_path / 'none'}"))
    with pytest.raises(UsageError, match=r"open_clip_config\.json"):
        find_files(ClipSpec.parse(f"local-dir:{tmp_path}"))
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY}))
    with pytest.raises(WeightsUnavailable, match="holds no weights"):
        find_files(ClipSpec.parse(f"local-dir:{tmp_path}"))


@pytest.mark.parametrize("content", ["{", "[]", '{"model_cfg": {}}', '{"model_cfg": {"text_cfg": {"x": 1}}}'])
def test_a_configuration_of_something_else_is_refused(folder, content):
    (folder / "open_clip_config.json").write_text(content)
    with pytest.raises(UsageError, match=r"open_clip_config\.json"):
        load_model(ClipSpec.parse(f"local-dir:{folder}"))


@pytest.mark.parametrize(
    "spec", ["ViT-B-16:openai", "ViT-L-14:datacomp_xl_s13b_b90k", "hf-hub:laion/nothing"]
)
def test_missing_weights_name_the_command_that_gets_them(spec):
    with pytest.raises(WeightsUnavailable, match=f"ovseg models download {spec}"):
        load_clip(spec, device=CPU)


def test_unknown_architectures_and_tags_are_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="ViT-B-16"):
        find_files(ClipSpec.parse("ViT-B16:openai"))
    with pytest.raises(UnknownName, match="laion2b_s34b_b88k"):
        find_files(ClipSpec.parse("ViT-B-16:opnai"))


def test_weights_in_the_hubs_cache_are_found(tmp_path):
    snapshot = tmp_path / "hub" / "models--timm--vit_base_patch16_clip_224.openai" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("abc")
    (snapshot / "open_clip_model.safetensors").write_bytes(b"")
    import huggingface_hub

    found = find_files(ClipSpec.parse("ViT-B-16:openai"))
    assert found.weights.resolve() == (snapshot / "open_clip_model.safetensors").resolve()
    assert found.table["quick_gelu"] is True
    assert str(tmp_path / "hub") == huggingface_hub.constants.HF_HUB_CACHE


def test_a_tag_brings_its_activation_and_normalization(tmp_path, monkeypatch):
    """The table's rows are open_clip's; the architecture is a small one, so that a file can be made here."""
    import open_clip

    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "ovseg-tiny.json").write_text(json.dumps(TINY))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [*open_clip.factory._MODEL_CONFIG_PATHS])
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    open_clip.add_model_config(tmp_path / "configs")
    weights = save_folder(tmp_path / "saved", tiny_model()) / "open_clip_model.safetensors"
    monkeypatch.setattr(
        "ovseg.encoders.clip.load.find_files",
        lambda spec: find_files(ClipSpec.parse(f"ovseg-tiny:{weights}")).__class__(
            weights, None, open_clip.get_pretrained_cfg("ViT-B-16", "openai")
        ),
    )
    loaded = load_model(ClipSpec("ovseg-tiny:openai", architecture="ovseg-tiny", tag="openai"))
    assert loaded.mean == pytest.approx(open_clip.OPENAI_DATASET_MEAN)
    assert type(loaded.model.visual.transformer.resblocks[0].mlp.gelu).__name__ == "QuickGELU"


def test_a_bare_file_takes_the_normalization_that_all_tags_share(monkeypatch):
    from ovseg.encoders.clip.load import _common_row

    assert _common_row("ViT-B-16-SigLIP")["mean"] == (0.5, 0.5, 0.5)
    assert _common_row("ViT-B-16")["mean"][0] == pytest.approx(0.48145466)


def test_loading_leaves_the_root_logger_alone(folder):
    import logging

    before = (list(logging.root.handlers), logging.root.manager.disable)
    load_model(ClipSpec.parse(f"local-dir:{folder}"))
    assert (list(logging.root.handlers), logging.root.manager.disable) == before
