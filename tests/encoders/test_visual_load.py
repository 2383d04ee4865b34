"""From specs to visual encoders: what is on record, local folders, hints for what is neither."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from clip_models import STD, save_folder, tiny_model
from safetensors.torch import save_file
from shaken import pictures, shaken

from ovseg.encoders.context import LoadContext
from ovseg.encoders.sources import card_for, folder_kind, weights_in
from ovseg.encoders.visual.load import load_visual
from ovseg.errors import UnknownName, WeightsUnavailable
from ovseg.weights.cards import HubFiles, LocalFile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model of timm, as timm's own ``save_for_hf`` lays it out."""
    model = shaken(timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=2))
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    statistics = {"tag": "dino", "mean": [0.2] * 3, "std": [0.4] * 3}
    config = {
        "architecture": "vit_tiny_patch16_224",
        "model_args": {"depth": 2},
        "pretrained_cfg": statistics,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


@torch.inference_mode()
def test_a_folder_of_timm_becomes_a_shape_encoder(folder):
    encoder = load_visual(f"local-dir:{folder}", LoadContext())
    assert encoder.patch == 16
    found = encoder.encode(pictures(32, 64), [(-1, "key"), (0, "token")])
    assert found[(-1, "key")].shape == (1, 2, 4, 192)
    assert encoder.saliency(found[(0, "token")]) is None
    about = encoder.describe()
    assert about["spec"] == f"local-dir:{folder}"
    assert len(about["sha256"]) == 64
    assert encoder._model.normalize.mean.flatten().tolist() == pytest.approx([0.2] * 3)
    # The tag says DINO, which was published with plain interpolation of its positions.
    assert not encoder._model.antialias
    assert encoder.family == "dino"


@torch.inference_mode()
@pytest.mark.parametrize(
    ("name", "family"),
    [("vit_small_patch16_dinov3", "dinov3"), ("vit_small_patch14_reg4_dinov2", "dinov2")],
)
def test_registers_and_rotary_positions_come_back_from_a_folder(tmp_path, name, family):
    model = shaken(timm.create_model(name, num_classes=0, depth=2, dynamic_img_size=True))
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    config = {"architecture": name, "model_args": {"depth": 2}, "pretrained_cfg": {"tag": "lvd"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    encoder = load_visual(f"local-dir:{tmp_path}", LoadContext())
    images = pictures(3 * encoder.patch, 5 * encoder.patch)
    found = encoder.encode(images, [(-1, "token"), (-1, "key")])
    expected = model.forward_features(encoder._model.normalize(images))[:, 5:]
    torch.testing.assert_close(found[(-1, "token")].flatten(1, 2), expected)
    assert found[(-1, "key")].shape == (1, 3, 5, 384)
    assert encoder.family == family


@torch.inference_mode()
def test_an_architecture_with_a_file_of_weights(tmp_path):
    model = shaken(timm.create_model("vit_tiny_patch16_224", num_classes=0))
    torch.save(model.state_dict(), tmp_path / "dinov2.pth")
    encoder = load_visual(
        f"timm:vit_tiny_patch16_224:{tmp_path / 'dinov2.pth'}", LoadContext(dtype=torch.bfloat16)
    )
    assert encoder.family == "other"
    assert encoder.encode(pictures(32, 32))[(-1, "token")].dtype == torch.bfloat16


def test_a_folder_with_another_models_weights_is_refused_by_name(folder):
    other = timm.create_model("vit_small_patch16_224", num_classes=0, depth=2)
    save_file(other.state_dict(), folder / "model.safetensors")
    with pytest.raises(
        WeightsUnavailable, match=r"of another shape, as .* \(1, 1, 384\) for \(1, 1, 192\)|of another"
    ):
        load_visual(f"local-dir:{folder}", LoadContext())


@torch.inference_mode()
def test_a_folder_of_open_clip_lends_its_visual_side(tmp_path):
    model = tiny_model()
    encoder = load_visual(f"local-dir:{save_folder(tmp_path, model)}", LoadContext())
    assert (encoder.patch, encoder.family) == (8, "clip")
    assert encoder._model.normalize.std.flatten().tolist() == pytest.approx(list(STD))
    images = pictures(32, 32)
    expected = model.visual.forward_intermediates(
        encoder._model.normalize(images), indices=[1], output_fmt="NLC", intermediates_only=True,
        normalize_intermediates=False,
    )["image_intermediates"][0]  # fmt: skip
    found = encoder.encode(images, [(1, "token"), (-2, "key")])
    torch.testing.assert_close(found[(1, "token")].flatten(1, 2), expected)


def test_folders_that_are_none(tmp_path, folder):
    with pytest.raises(WeightsUnavailable, match="no folder"):
        card_for(f"local-dir:{tmp_path / 'nowhere'}")
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    assert weights_in(folder).name == "a.safetensors"
    (folder / "b.safetensors").write_bytes(b"")
    with pytest.raises(
        WeightsUnavailable, match=r"one file of weights .*, it has a.safetensors, b.safetensors"
    ):
        weights_in(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(WeightsUnavailable, match="says neither architecture"):
        folder_kind(folder)
    (folder / "config.json").unlink()
    with pytest.raises(WeightsUnavailable, match=r"has no config\.json"):
        folder_kind(folder)


@pytest.mark.parametrize(
    ("spec", "repo", "files"),
    [
        ("timm:vit_small_patch16_224.dino", "timm/vit_small_patch16_224.dino", ("model.safetensors",)),
        ("hf-hub:facebook/dinov2-base", "facebook/dinov2-base", ()),
        ("ViT-B-16:laion2b_s34b_b88k", "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", ()),
    ],
)
def test_where_models_come_from(spec, repo, files):
    card = card_for(spec)
    assert isinstance(card.at, HubFiles)
    assert (card.at.repo, card.at.files) == (repo, files)
    assert card.source == f"https://huggingface.co/{repo}"
    assert card.licence


@pytest.mark.parametrize(
    ("spec", "licence", "commercial"),
    [
        ("timm:vit_small_patch8_224.dino", "apache-2.0 (timm)", True),
        ("timm:vit_large_patch16_dinov3.lvd1689m", "dinov3-license (timm)", None),
        ("ViT-B-16:metaclip_400m", "cc-by-nc-4.0 (timm)", False),
        ("ViT-B-16-SigLIP2:webli", "apache-2.0 (timm)", True),
        ("ViT-B-16:laion2b_s34b_b88k", "not on record: ask its authors", None),
        ("hf-hub:facebook/dinov2-base", "not on record: ask its authors", None),
    ],
)
def test_licences_are_those_that_timm_has_on_record(spec, licence, commercial):
    card = card_for(spec)
    assert (card.licence, card.commercial) == (licence, commercial)


def test_a_file_of_ones_own_has_no_licence_on_record(folder):
    card = card_for(f"local-dir:{folder}")
    assert card.at == LocalFile(folder / "model.safetensors")
    assert "not on record" in card.licence


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("vit_small_patch16_224.dino", "did you mean timm:vit_small_patch16_224.dino"),
        ("ViT-B-16", "write it with a tag, as ViT-B-16:openai"),
        ("ViT-B-16:opnai", "ViT-B-16:openai"),
        ("ViTB16:openai", "did you mean ViT-B-16"),
        ("timm:vit_small_patch16_224.dinosaur", "timm:vit_small_patch16_224.dino"),
        ("timm:vit_smal_patch16_224.dino", "did you mean timm:vit_small_patch16_224.dino"),
        ("dinov2-vits14-focsu", "dinov2-vits14-focus"),
        ("facebook/dinov2-base", "hf-hub:facebook/dinov2-base or local-dir:facebook/dinov2-base"),
    ],
)
def test_unknown_models_get_near_names(spec, hint):
    with pytest.raises(UnknownName) as caught:
        card_for(spec)
    assert hint in str(caught.value)


def test_weights_that_are_not_here_give_the_command():
    with pytest.raises(WeightsUnavailable) as caught:
        load_visual("timm:vit_small_patch8_224.dino", LoadContext())
    assert str(caught.value).endswith("run  ovseg models download timm:vit_small_patch8_224.dino")
    assert caught.value.exit_code == 4
