"""CLIP's visual tower as a visual encoder, at its real size, against open_clip's own features."""

from __future__ import annotations

import logging

import open_clip
import pytest
import torch
from shaken import pictures, shaken

from ovseg.encoders.visual.clip_tower import ClipTower, dense_tower
from ovseg.encoders.vit import DenseViT
from ovseg.errors import UnknownName

MEAN, STD = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD


def built(name: str):
    logging.disable(logging.WARNING)
    try:
        return open_clip.create_model(name, load_weights=False)
    finally:
        logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def visual():
    return shaken(built("ViT-B-16").visual)


@torch.inference_mode()
def test_tokens_are_open_clips_intermediates(visual):
    dense = dense_tower(visual, mean=MEAN, std=STD)
    assert isinstance(dense, ClipTower)
    images = pictures(224, 224)
    found = dense(images, [(3, "token"), (-1, "token")])
    expected = visual.forward_intermediates(
        dense.normalize(images), indices=[3, 11], output_fmt="NLC", normalize_intermediates=False,
        intermediates_only=True,
    )["image_intermediates"]  # fmt: skip
    torch.testing.assert_close(found[(3, "token")].flatten(1, 2), expected[0])
    torch.testing.assert_close(found[(-1, "token")].flatten(1, 2), visual.ln_post(expected[1]))


@torch.inference_mode()
def test_facets_and_other_sizes(visual):
    dense = dense_tower(visual, mean=MEAN, std=STD)
    images = pictures(32, 80)
    layer = 1
    entered: list[torch.Tensor] = []
    hook = visual.transformer.resblocks[layer].ln_1.register_forward_hook(lambda _m, _i, o: entered.append(o))
    found = dense(images, [(-2, "key"), (layer, "key"), (layer, "query"), (layer, "value")])
    hook.remove()
    assert found[(-2, "key")].shape == (1, 2, 5, 768)
    attention = visual.transformer.resblocks[layer].attn
    weights, biases = attention.in_proj_weight.split(768), attention.in_proj_bias.split(768)
    for facet, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
        expected = (entered[0] @ weight.T + bias)[:, 1:].reshape(1, 2, 5, 768)
        torch.testing.assert_close(found[(layer, facet)], expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_siglip_is_read_through_timm():
    model = built("ViT-B-16-SigLIP")
    dense = dense_tower(model.visual, mean=[0.5] * 3, std=[0.5] * 3)
    assert isinstance(dense, DenseViT)
    assert dense(pictures(32, 48), [(0, "key")])[(0, "key")].shape == (1, 2, 3, 768)


def test_convolutional_towers_are_refused():
    with pytest.raises(UnknownName, match="no plain vision transformer"):
        dense_tower(built("RN50").visual, mean=MEAN, std=STD)
