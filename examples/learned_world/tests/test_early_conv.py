"""A transformer with a convolutional stem is built by name and read like any other."""

import json

import pytest
import timm
import torch
from safetensors.torch import save_file

from learned_world.early_conv import EarlyConvolutions
from ovseg.encoders.context import LoadContext
from ovseg.encoders.visual.load import load_visual
from ovseg.encoders.visual.timm_vit import build_timm
from ovseg.encoders.vit import DenseViT

NAME = "vit_early_conv_patch8_64"


def test_tokens_read_densely_are_those_of_the_model_itself():
    torch.manual_seed(0)
    model = timm.create_model(NAME, num_classes=0).eval()
    images = torch.rand(2, 3, 64, 64)
    dense = DenseViT(model, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)).eval()
    with torch.no_grad():
        found = dense(images)[(-1, "token")]
        wanted = model.forward_features((images - 0.5) / 0.25)[:, 1:].reshape(2, 8, 8, -1)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_other_sizes_are_read_too():
    dense = build_timm(NAME)
    assert dense.patch == 8
    assert dense(torch.rand(1, 3, 96, 128), [(-1, "key")])[(-1, "key")].shape == (1, 12, 16, 96)


def test_patches_of_another_size_are_refused():
    with pytest.raises(ValueError, match="patches of 8"):
        EarlyConvolutions(patch_size=16)
    with pytest.raises(ValueError, match="no weights"):
        timm.create_model(NAME, pretrained=True)


def test_a_folder_with_its_weights_loads(tmp_path):
    torch.manual_seed(1)
    model = timm.create_model(NAME, num_classes=0)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    statistics = {"mean": [0.5] * 3, "std": [0.27] * 3}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": NAME, "pretrained_cfg": statistics}))
    shape = load_visual(f"local-dir:{tmp_path}", LoadContext())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        wanted = model.eval().forward_features((images - 0.5) / 0.27)[:, 1:].reshape(1, 8, 8, -1)
    torch.testing.assert_close(shape.encode(images)[(-1, "token")], wanted, atol=1e-5, rtol=1e-5)
