"""Vision transformers of timm at their real sizes with seeded weights, against timm's own features."""

from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import save_file
from shaken import pictures, shaken
from torch import nn

from ovseg.encoders.visual.timm_vit import build_timm, load_timm
from ovseg.encoders.vit import DenseViT
from ovseg.errors import UnknownName, WeightsUnavailable

NAMES = [
    "vit_small_patch16_224.dino",
    "vit_base_patch8_224.dino",
    "vit_small_patch14_dinov2.lvd142m",
    "vit_small_patch14_reg4_dinov2.lvd142m",
    "vit_small_patch16_dinov3.lvd1689m",
    "vit_small_patch16_dinov3_qkvb.lvd1689m",
]


@pytest.fixture(scope="module", params=NAMES)
def dense(request) -> DenseViT:
    built = build_timm(request.param)
    shaken(built.vit)
    return built


@torch.inference_mode()
def test_tokens_are_timms_intermediates_for_other_sizes(dense):
    layers = [1, len(dense.vit.blocks) - 1]
    images = pictures(3 * dense.patch, 5 * dense.patch, count=2)
    keep, dense.antialias = dense.antialias, True  # timm's own way with positions
    found = dense(images, [(layer, "token") for layer in layers])
    dense.antialias = keep
    for layer, norm in zip(layers, (False, True), strict=True):
        expected = dense.vit.forward_intermediates(
            dense.normalize(images), indices=[layer], norm=norm, intermediates_only=True
        )[0]
        torch.testing.assert_close(found[(layer, "token")], expected.permute(0, 2, 3, 1))


@torch.inference_mode()
def test_facets_are_the_projections_of_what_enters_the_block(dense):
    images = pictures(2 * dense.patch, 4 * dense.patch)
    layer = 2
    entered: list[torch.Tensor] = []
    hook = dense.vit.blocks[layer].norm1.register_forward_hook(lambda _m, _i, out: entered.append(out))
    found = dense(images, [(layer, "query"), (layer, "key"), (layer, "value"), (layer, "token")])
    hook.remove()
    attention = dense.vit.blocks[layer].attn
    width = entered[0].shape[-1]
    weights = attention.qkv.weight.split(width)
    bias = attention.qkv.bias
    biases = bias.split(width) if bias is not None else (torch.zeros(width),) * 3
    if getattr(attention, "q_bias", None) is not None:
        biases = (attention.q_bias, torch.zeros(width), attention.v_bias)
    for facet, weight, offset in zip(("query", "key", "value"), weights, biases, strict=True):
        expected = entered[0] @ weight.T + offset
        torch.testing.assert_close(
            found[(layer, facet)].flatten(1, 2), expected[:, dense.prefix :], rtol=1e-4, atol=1e-4
        )


@torch.inference_mode()
def test_rows_and_columns_are_not_confused(dense):
    images = pictures(2 * dense.patch, 3 * dense.patch)
    turned = dense(images.flip(-1), [(0, "value")])[(0, "value")]
    assert turned.shape[1:3] == (2, 3)
    assert not torch.allclose(turned.flip(2), dense(images, [(0, "value")])[(0, "value")])


@pytest.mark.parametrize(
    ("name", "patch", "prefix", "antialias"),
    [(NAMES[0], 16, 1, False), (NAMES[2], 14, 1, False), (NAMES[3], 14, 5, True), (NAMES[4], 16, 5, True)],
)
def test_what_timm_knows_of_a_model_is_taken_over(name, patch, prefix, antialias):
    built = build_timm(name)
    assert (built.patch, built.prefix, built.antialias) == (patch, prefix, antialias)
    assert built.depth == 12
    config = timm.models.get_pretrained_cfg(name)
    torch.testing.assert_close(built.normalize.mean.flatten(), torch.tensor(config.mean))
    torch.testing.assert_close(built.normalize.std.flatten(), torch.tensor(config.std))


def test_a_siglip_tower_has_its_own_normalization_and_no_special_tokens():
    built = build_timm("vit_base_patch16_siglip_224.webli")
    assert built.prefix == 0
    assert built.normalize.mean.flatten().tolist() == [0.5] * 3
    assert built(pictures(32, 64), [(0, "key")])[(0, "key")].shape == (1, 2, 4, 768)


@torch.inference_mode()
def test_rotary_positions_of_eva_fit_any_grid():
    built = build_timm("eva02_tiny_patch14_224.mim_in22k")
    shaken(built.vit)
    images = pictures(28, 56)
    expected = built.vit.forward_intermediates(built.normalize(images), [3], intermediates_only=True)[0]
    torch.testing.assert_close(built(images, [(3, "token")])[(3, "token")], expected.permute(0, 2, 3, 1))


def test_half_precision_keeps_the_normalization_exact():
    built = build_timm("vit_tiny_patch16_224").to(torch.bfloat16)
    assert built.normalize.mean.dtype == torch.float32
    assert built.normalize.mean[0, 0, 0, 0].item() == pytest.approx(0.5, abs=1e-7)
    assert built(pictures(32, 32))[(-1, "token")].dtype == torch.bfloat16


def tiny(**settings) -> nn.Module:
    return timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=2, **settings)


def config(**settings) -> dict:
    return {"architecture": "vit_tiny_patch16_224", "model_args": {"depth": 2}} | settings


@torch.inference_mode()
@pytest.mark.parametrize("suffix", ["safetensors", "pth", "nested.pth"])
def test_weights_of_a_file_are_laid_in(tmp_path, suffix):
    model = shaken(tiny())
    state = model.state_dict() | {"head.weight": torch.zeros(10, 192), "head.bias": torch.zeros(10)}
    path = tmp_path / f"model.{suffix}"
    if suffix == "safetensors":
        save_file(state, path)
    else:
        torch.save({"teacher": state} if "nested" in suffix else state, path)
    statistics = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    built = load_timm("vit_tiny_patch16_224", path, config(pretrained_cfg=statistics))
    torch.testing.assert_close(built.normalize.std.flatten(), torch.tensor([0.4, 0.5, 0.6]))
    images = pictures(224, 224)
    expected = model.forward_features(built.normalize(images))[:, 1:]
    torch.testing.assert_close(built(images)[(-1, "token")].flatten(1, 2), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("blocks.1.norm1.bias"), "1 missing, as blocks.1.norm1.bias"),
        (lambda s: s.update(extra=torch.zeros(2)), "1 left over, as extra"),
        (lambda s: s.update({"norm.bias": torch.zeros(5)}), r"as norm.bias \(5,\) for \(192,\)"),
    ],
)
def test_weights_of_another_model_are_refused_by_name(tmp_path, change, message):
    state = dict(tiny().state_dict())
    change(state)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(WeightsUnavailable, match=message):
        load_timm("vit_tiny_patch16_224", tmp_path / "model.safetensors", config())


@pytest.mark.parametrize("content", [b"", b"not weights", b"\xff" * 100])
@pytest.mark.parametrize("name", ["model.safetensors", "model.pth"])
def test_files_that_hold_no_weights(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match="cannot read weights from"):
        load_timm("vit_tiny_patch16_224", path, config())


class Payload:
    def __reduce__(self):
        return print, ("executed",)


def test_pickled_code_is_not_run(tmp_path, capsys):
    torch.save({"x": Payload()}, tmp_path / "model.pth")
    with pytest.raises(WeightsUnavailable, match="cannot read weights from"):
        load_timm("vit_tiny_patch16_224", tmp_path / "model.pth", config())
    assert capsys.readouterr().out == ""


def test_names_that_timm_does_not_know_or_that_are_no_transformer():
    with pytest.raises(UnknownName, match="did you mean vit_small_patch16_224"):
        build_timm("vit_smal_patch16_224.dino")
    with pytest.raises(UnknownName, match=r"resnet18 (as a|is no plain) vision transformer|no plain vision"):
        build_timm("resnet18")
    with pytest.raises(UnknownName, match="cannot build vit_tiny_patch16_224"):
        build_timm("vit_tiny_patch16_224", {"model_args": {"depht": 2}})


def test_a_configuration_cannot_make_timm_load_something(tmp_path):
    model_args = {"depth": 2, "checkpoint_path": str(tmp_path / "none"), "pretrained": True}
    assert build_timm("vit_tiny_patch16_224", {"model_args": model_args}).depth == 2
