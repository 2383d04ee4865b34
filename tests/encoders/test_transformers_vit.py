"""Vision transformers of the transformers library, against its own hidden states."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from shaken import pictures, shaken

from ovseg.errors import UnknownName, WeightsUnavailable

transformers = pytest.importorskip("transformers")

from ovseg.encoders.visual.transformers_vit import TransformersViT, load_transformers  # noqa: E402

SIZES = {
    "num_hidden_layers": 3, "hidden_size": 48, "num_attention_heads": 3, "intermediate_size": 96,
    "image_size": 56, "patch_size": 8,
}  # fmt: skip
MODELS = {
    "vit": lambda: transformers.ViTModel(transformers.ViTConfig(**SIZES), add_pooling_layer=False),
    "dinov2": lambda: transformers.Dinov2Model(transformers.Dinov2Config(**SIZES)),
    "registers": lambda: transformers.Dinov2WithRegistersModel(
        transformers.Dinov2WithRegistersConfig(**SIZES, num_register_tokens=4)
    ),
    "dinov3": lambda: transformers.DINOv3ViTModel(
        transformers.DINOv3ViTConfig(**SIZES, num_register_tokens=4, use_gated_mlp=True)
    ),
}


@pytest.fixture(scope="module", params=list(MODELS))
def model(request):
    return shaken(MODELS[request.param]())


def test_only_a_plain_vit_has_to_be_told_how_it_was_trained(model):
    families = {"dinov2_with_registers": "dinov2", "dinov3_vit": "dinov3", "dinov2": "dinov2"}
    kind = model.config.model_type
    assert TransformersViT(model).family == families.get(kind, "other")
    assert TransformersViT(model, family="dino").family == families.get(kind, "dino")


@torch.inference_mode()
def test_tokens_are_the_hidden_states(model):
    dense = TransformersViT(model)
    images = pictures(24, 40, count=2)
    options = {"interpolate_pos_encoding": True} if model.config.model_type == "vit" else {}
    states = model(dense.normalize(images), output_hidden_states=True, **options)
    found = dense(images, [(0, "token"), (1, "token"), (-1, "token")])
    prefix = 1 + getattr(model.config, "num_register_tokens", 0)
    for layer in (0, 1):
        expected = states.hidden_states[layer + 1][:, prefix:].reshape(2, 3, 5, 48)
        torch.testing.assert_close(found[(layer, "token")], expected)
    torch.testing.assert_close(
        found[(-1, "token")], states.last_hidden_state[:, prefix:].reshape(2, 3, 5, 48)
    )


@torch.inference_mode()
def test_facets_are_projections_of_the_normed_states(model):
    dense = TransformersViT(model)
    images = pictures(16, 32)
    found = dense(images, [(1, "query"), (1, "key"), (1, "value"), (0, "token")])
    block = next(m[1] for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == 3)
    entered = (getattr(block, "norm1", None) or block.layernorm_before)(found[(0, "token")])
    for facet, name in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
        linear = getattr(block.attention, name)
        expected = entered @ linear.weight.T + (0 if linear.bias is None else linear.bias)
        torch.testing.assert_close(found[(1, facet)], expected)
    hooks = sum(len(m._forward_hooks) for m in model.modules())
    dense(images, [(1, "query"), (0, "token")])
    assert sum(len(m._forward_hooks) for m in model.modules()) == hooks


def test_a_folder_is_loaded_with_its_normalization(model, tmp_path):
    model.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.1] * 3, "image_std": [0.2] * 3})
    )
    dense = load_transformers(tmp_path)
    assert dense.normalize.std.flatten().tolist() == pytest.approx([0.2] * 3)
    # Of a plain ViT the name of its repository says how it was trained, never the folder's.
    plain = model.config.model_type == "vit"
    assert load_transformers(tmp_path, "facebook/dino-vits8").family == ("dino" if plain else dense.family)
    assert dense.family == TransformersViT(model).family
    images = pictures(16, 24)
    expected = TransformersViT(model, mean=[0.1] * 3, std=[0.2] * 3)(images, [(-1, "key")])[(-1, "key")]
    with torch.inference_mode():
        torch.testing.assert_close(dense(images, [(-1, "key")])[(-1, "key")], expected.detach())


def saved(folder: Path) -> None:
    MODELS["dinov2"]().save_pretrained(folder)


def test_missing_tensors_are_named(tmp_path):
    from safetensors.torch import load_file, save_file

    saved(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    del state["encoder.layer.1.norm1.bias"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsUnavailable, match=r"1 missing tensors, as encoder\.layer\.1\.norm1\.bias"):
        load_transformers(tmp_path)


def test_other_kinds_of_models_are_refused(tmp_path):
    saved(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    with pytest.raises(UnknownName, match="type 'bert': the visual ones that are read are vit, dinov2"):
        load_transformers(tmp_path)
