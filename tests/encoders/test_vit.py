"""Dense features of a small random transformer, against timm's own forward pass."""

from __future__ import annotations

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg.encoders.context import LoadContext
from ovseg.encoders.saliency import SaliencyDecoder, decoder_state
from ovseg.encoders.visual_encoder import VisualEncoder
from ovseg.encoders.vit import IMAGENET_MEAN, IMAGENET_STD, DenseViT, dinov2_state, family_of
from ovseg.errors import ConfigError

DEPTH, WIDTH, PATCH = 3, 24, 4


def small_vit():
    torch.manual_seed(0)
    vit = timm.models.vision_transformer.VisionTransformer(
        img_size=24,
        patch_size=PATCH,
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=3,
        num_classes=0,
        init_values=1.0,
        dynamic_img_size=True,
    )
    torch.nn.init.normal_(vit.pos_embed, std=0.5)
    return vit.eval()


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("vit_small_patch16_224.dino", "dino"),
        ("vit_base_patch14_reg4_dinov2.lvd142m", "dinov2"),
        ("dinov2_with_registers", "dinov2"),
        ("vit_small_patch16_dinov3.lvd1689m", "dinov3"),
        ("vit_base_patch16_clip_224.openai", "clip"),
        ("vit_base_patch16_224.augreg_in21k", "other"),
        ("", "other"),
    ],
)
def test_published_names_say_how_a_model_was_trained(name, family):
    assert family_of(name) == family


@pytest.fixture(scope="module")
def vit():
    return small_vit()


@pytest.fixture(scope="module")
def dense(vit):
    return DenseViT(vit).eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))


def normalised(images: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (images - mean) / std


@torch.inference_mode()
def test_last_tokens_are_timms(vit, dense, images):
    found = dense(images)[(-1, "token")]
    expected = vit.forward_features(normalised(images))[:, 1:].reshape(2, 6, 6, WIDTH)
    torch.testing.assert_close(found, expected)


@torch.inference_mode()
def test_tokens_of_every_layer_are_the_outputs_of_its_block(vit, dense, images):
    outputs: list[torch.Tensor] = []
    hooks = [block.register_forward_hook(lambda _m, _i, out: outputs.append(out)) for block in vit.blocks]
    vit.forward_features(normalised(images))
    for hook in hooks:
        hook.remove()
    found = dense(images, [(layer, "token") for layer in range(DEPTH)])
    for layer in range(DEPTH - 1):
        torch.testing.assert_close(found[(layer, "token")].flatten(1, 2), outputs[layer][:, 1:])
    # The last one goes through the final norm as well.
    torch.testing.assert_close(found[(2, "token")].flatten(1, 2), vit.norm(outputs[2])[:, 1:])


@pytest.mark.parametrize("layer", [0, 1, 2, -1, -3])
@torch.inference_mode()
def test_queries_keys_and_values_are_the_blocks_own(vit, dense, images, layer):
    caught: list[torch.Tensor] = []
    hook = vit.blocks[layer].attn.qkv.register_forward_hook(lambda _m, _i, out: caught.append(out))
    vit.forward_features(normalised(images))
    hook.remove()
    found = dense(images, [(layer, "query"), (layer, "key"), (layer, "value")])
    for part, facet in zip(caught[0].chunk(3, dim=-1), ("query", "key", "value"), strict=True):
        torch.testing.assert_close(found[(layer, facet)].flatten(1, 2), part[:, 1:])


@torch.inference_mode()
def test_what_is_asked_for_together_is_what_is_asked_for_alone(dense, images):
    pairs = [(2, "token"), (0, "key"), (-1, "token"), (-1, "query"), (1, "token")]
    together = dense(images, pairs)
    assert list(together) == pairs
    for pair in pairs:
        assert torch.equal(together[pair], dense(images, [pair])[pair])


@pytest.mark.parametrize(
    ("wanted", "blocks"), [((0, "token"), 1), ((1, "key"), 1), ((0, "key"), 0), ((-1, "token"), 3)]
)
def test_no_block_runs_that_is_not_needed(vit, dense, images, wanted, blocks):
    ran: list[int] = []
    hooks = [b.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, b in enumerate(vit.blocks)]
    dense(images, [wanted])
    for hook in hooks:
        hook.remove()
    assert ran == list(range(blocks))


def test_the_position_embedding_of_the_native_grid_is_the_stored_one(vit, dense):
    assert dense.position_embedding(6, 6) is vit.pos_embed


@given(st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=20)
@torch.inference_mode()
def test_any_grid_has_a_position_embedding(height, width):
    vit = small_vit()
    found = DenseViT(vit).position_embedding(height, width)
    assert found.shape == (1, 1 + height * width, WIDTH)
    assert torch.equal(found[:, :1], vit.pos_embed[:, :1])
    # Bicubic interpolation reproduces a constant.
    torch.nn.init.constant_(vit.pos_embed, 0.25)
    torch.testing.assert_close(DenseViT(vit).position_embedding(height, width), torch.full_like(found, 0.25))


@torch.inference_mode()
def test_rows_and_columns_are_not_confused(dense):
    images = torch.zeros(1, 3, 8, 40)
    images[..., 20:] = 1
    tokens = dense(images)[(-1, "token")]
    assert tokens.shape == (1, 2, 10, WIDTH)
    projected = dense.vit.patch_embed.proj(normalised(images))[0]
    assert torch.equal(projected[:, 0, 0], projected[:, 1, 4])
    assert not torch.allclose(projected[:, 0, 0], projected[:, 0, 5])


@pytest.mark.parametrize(
    ("size", "wanted", "message"),
    [
        ((24, 26), [(-1, "token")], r"image \(24, 26\) is no multiple of the patch size 4"),
        ((23, 24), [(-1, "token")], r"image \(23, 24\) is no multiple of the patch size 4"),
        ((24, 24), [(3, "token")], r"layers must be in \[-3, 3\), got"),
        ((24, 24), [(0, "token"), (-4, "key")], r"layers must be in \[-3, 3\), got"),
        ((24, 24), [], r"layers must be in \[-3, 3\), got \[\]"),
        ((24, 24), [(0, "head")], "facets must be among token, key, query, value, got"),
        ((24, 24), [(-1, "head")], "facets must be among token, key, query, value, got"),
    ],
)
def test_what_cannot_be_asked_for(dense, size, wanted, message):
    with pytest.raises(ValueError if "multiple" in message else ConfigError, match=message):
        dense(torch.zeros(1, 3, *size), wanted)


def exported(vit) -> dict[str, torch.Tensor]:
    """What an exporter makes of a transformers DINOv2 with the weights of ``vit``."""
    state = vit.state_dict()
    tensors = {
        "backbone.embeddings.cls_token": state["cls_token"],
        "backbone.embeddings.patch_embeddings.projection.weight": state["patch_embed.proj.weight"],
        "backbone.embeddings.patch_embeddings.projection.bias": state["patch_embed.proj.bias"],
        "backbone.layernorm.weight": state["norm.weight"],
        "backbone.layernorm.bias": state["norm.bias"],
        "onnx::Concat_1": state["pos_embed"][:, :1],
        "onnx::Resize_2": state["pos_embed"][:, 1:],
        "onnx::Shape_3": torch.tensor([1, 2]),
        "decoder.final_conv.weight": torch.ones(1),
    }
    for i in range(DEPTH):
        old, new = f"backbone.encoder.layer.{i}", f"blocks.{i}"
        for kind in ("weight", "bias"):
            parts = state[f"{new}.attn.qkv.{kind}"].chunk(3)
            for role, part in zip(("query", "key", "value"), parts, strict=True):
                tensors[f"{old}.attention.attention.{role}.{kind}"] = part
            tensors[f"{old}.attention.output.dense.{kind}"] = state[f"{new}.attn.proj.{kind}"]
            for name in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                tensors[f"{old}.{name}.{kind}"] = state[f"{new}.{name}.{kind}"]
        tensors[f"{old}.layer_scale1.lambda1"] = state[f"{new}.ls1.gamma"]
        tensors[f"{old}.layer_scale2.lambda1"] = state[f"{new}.ls2.gamma"]
    return tensors


def test_an_exported_state_comes_back_whole(vit):
    found, expected = dinov2_state(exported(vit)), vit.state_dict()
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def test_an_export_without_position_embedding_is_refused(vit):
    for name in ("onnx::Concat_1", "onnx::Resize_2"):
        tensors = exported(vit)
        del tensors[name]
        with pytest.raises(ValueError, match="the exported graph has no position embedding"):
            dinov2_state(tensors)


def test_the_decoder_takes_its_own_part_of_an_export(vit):
    assert set(decoder_state(exported(vit))) == {"final_conv.weight"}


def test_the_decoder_is_eight_times_finer_and_gives_probabilities(vit, images):
    torch.manual_seed(3)
    about = {"name": "small"}
    shape = VisualEncoder(DenseViT(vit), SaliencyDecoder(WIDTH).eval(), about, LoadContext())
    tokens = shape.encode(images)[(-1, "token")]
    found = shape.saliency(tokens)
    assert found is not None
    assert found.shape == (2, 48, 48)
    assert 0 <= found.min() < found.max() <= 1
    assert shape.patch == PATCH
    described = shape.describe()
    described["name"] = "changed"
    assert shape.describe() == about


def test_an_encoder_without_decoder_cannot_tell_foreground(vit, images):
    shape = VisualEncoder(DenseViT(vit), None, {}, LoadContext())
    assert shape.saliency(shape.encode(images)[(-1, "token")]) is None


def test_features_come_in_the_dtype_of_the_weights(images):
    shape = VisualEncoder(DenseViT(small_vit()), None, {}, LoadContext(dtype=torch.bfloat16))
    assert shape.encode(images)[(-1, "token")].dtype == torch.bfloat16
