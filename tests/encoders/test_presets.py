from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from clip_models import save_folder, tiny_model

from ovseg.encoders import preset_card
from ovseg.encoders.presets import (
    OFFLINE,
    PRESETS,
    EncoderSource,
    LoadContext,
    Preset,
    PresetCard,
    choose_preset,
    open_preset,
    preset_note,
)
from ovseg.encoders.roles import ROLES, ModelChoice
from ovseg.errors import UnknownName, UsageError, WeightsUnavailable
from ovseg.weights.cards import DINOV2_FOCUS, EFFICIENTNET_LITE2
from ovseg.weights.hub_cards import CLIP_B16, DINO_B8, DINO_S16


def refuse(*_, **__):
    raise AssertionError("an encoder that nobody asked for was built")


@pytest.fixture
def everything_is_here(monkeypatch, tmp_path):
    monkeypatch.setattr(preset_card, "find_file", lambda card: tmp_path)


@pytest.fixture
def nothing_is_here(monkeypatch):
    monkeypatch.setattr(preset_card, "find_file", lambda card: None)


@pytest.mark.usefixtures("everything_is_here")
def test_auto_takes_the_first_that_is_here():
    assert choose_preset() is next(card for _, card in PRESETS)
    assert choose_preset("offline") is OFFLINE


def test_auto_passes_over_what_is_not_here(monkeypatch, tmp_path):
    lesser = replace(OFFLINE, name="lesser", backbone=EncoderSource(refuse))
    monkeypatch.setattr(PRESETS, "_entries", {"offline": OFFLINE, "lesser": lesser})
    monkeypatch.setattr(preset_card, "find_file", lambda card: None if card == DINOV2_FOCUS else tmp_path)
    assert choose_preset() is lesser
    assert preset_note("auto", lesser) == (
        f"preset lesser, chosen by auto: {OFFLINE.summary}; better: ovseg models download offline"
    )


@pytest.mark.usefixtures("nothing_is_here")
def test_missing_weights_give_the_command_that_gets_them():
    with pytest.raises(WeightsUnavailable) as caught:
        choose_preset("offline")
    assert str(caught.value) == (
        "preset offline needs weights that are not on this machine (efficientnet-lite2, all-minilm-l6-v2, "
        "all-minilm-l6-v2-tokenizer, dinov2-vits14-focus): run  ovseg models download offline"
    )
    with pytest.raises(
        WeightsUnavailable,
        match=r"^no preset has its weights on this machine: run  ovseg models download offline",
    ):
        choose_preset()
    with pytest.raises(
        WeightsUnavailable,
        match=r"^weights clip-vitb16 are not on this machine: run  ovseg models",
    ):
        choose_preset("auto", ModelChoice(image_text_encoder="ViT-B-16:openai"))


def test_a_preset_that_nobody_knows():
    with pytest.raises(UnknownName, match="unknown preset 'offlin': did you mean offline"):
        open_preset("offlin")


def test_notes_say_which_preset_was_taken(monkeypatch):
    monkeypatch.setattr(PRESETS, "_entries", {"offline": OFFLINE})
    assert preset_note("offline", OFFLINE) == f"preset offline: {OFFLINE.summary}"
    assert "the best of those on record, chosen by auto" in preset_note("auto", OFFLINE)


@pytest.mark.usefixtures("everything_is_here")
def test_encoders_are_loaded_in_the_context_of_their_preset(monkeypatch, tmp_path):
    monkeypatch.setenv("OVSEG_CACHE_DIR", str(tmp_path / "cache"))
    calls = []
    source = EncoderSource(calls.append)
    monkeypatch.setattr(
        PRESETS, "_entries", {"offline": replace(OFFLINE, backbone=source, image_text=source)}
    )
    other = LoadContext(torch.device("meta"), torch.bfloat16, tmp_path)
    presets = [open_preset("offline"), open_preset("offline", other)]
    assert calls == []  # nothing has been asked for
    for preset in presets:
        assert preset.load() is preset
    usual = LoadContext(torch.device("cpu"), torch.float32, tmp_path / "cache")
    assert calls == [usual, usual, other, other]


def test_an_encoder_is_loaded_once_whoever_asks_first():
    calls = []

    def load(context):
        calls.append(context)
        time.sleep(0.05)
        return object()

    preset = Preset(PresetCard("one", "", backbone=EncoderSource(load)), LoadContext(cache_dir=None))
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: preset.backbone, range(8)))
    assert (len(found), len(calls)) == (1, 1)
    assert preset.prototype_backbone is None
    with pytest.raises(UsageError, match=r"^preset one has no image-text encoder: add image_text_encoder=$"):
        _ = preset.image_text


def test_spaces_are_added_without_loading_encoders_again():
    def load(_):
        return SimpleNamespace(family="dino", describe=lambda: {"name": "dino"})

    source = EncoderSource(load)
    preset = Preset(PresetCard("one", "", backbone=source, image_text=source), LoadContext(cache_dir=None))
    assert [space.name for space in preset.spaces] == ["backbone-key", "words"]
    assert preset.with_spaces(["words", "text"]) is preset
    more = preset.with_spaces(["backbone-token", "elsewhere"])
    assert [space.name for space in more.spaces] == ["backbone-key", "words", "backbone-token"]
    assert [space.name for space in more.only_spaces(["backbone-token"]).spaces] == ["backbone-token"]
    assert more.backbone is preset.backbone
    assert list(more.fingerprints()) == ["backbone-key", "words", "backbone-token", "text"]


@pytest.mark.usefixtures("nothing_is_here")
def test_presets_of_the_hub_name_the_command_that_downloads_them():
    with pytest.raises(WeightsUnavailable) as caught:
        choose_preset("default")
    assert str(caught.value) == (
        "preset default needs weights that are not on this machine (clip-vitb16, dino-vitb8): "
        "run  ovseg models download default"
    )


def test_what_ships_as_a_preset_may_be_used_commercially():
    assert [name for name, _ in PRESETS][:3] == ["best", "default", "fast"]
    assert PRESETS.names(plugins=False)[-1] == "offline"
    for _, card in PRESETS:
        assert all(weights.commercial and weights.licence for weights in card.cards())
        specs = {card.models.spec(role) for role in ROLES} - {None}
        if specs:
            assert {weights.spec for weights in card.cards()} == specs


def test_auto_names_a_better_preset_and_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(preset_card, "find_file", lambda card: tmp_path if card in OFFLINE.cards() else None)
    assert choose_preset() is OFFLINE
    assert preset_note("auto", OFFLINE).endswith("; better: ovseg models download best")


def only_here(monkeypatch, tmp_path, *cards):
    monkeypatch.setattr(preset_card, "find_file", lambda card: tmp_path if card in cards else None)


def test_for_a_backbone_alone_auto_goes_by_its_weights(monkeypatch, tmp_path):
    only_here(monkeypatch, tmp_path, DINO_B8, *OFFLINE.cards())
    chosen = choose_preset(role="backbone")
    assert chosen is PRESETS.get("default")
    assert chosen.cards("backbone") == (DINO_B8,)
    assert preset_note("auto", chosen, "backbone") == (
        "preset default, chosen by auto: backbone alone, DINO ViT-B/8; "
        "better: ovseg models download dinov2-vitl14"
    )
    assert choose_preset() is OFFLINE  # all else wants words, too
    only_here(monkeypatch, tmp_path, DINOV2_FOCUS)
    assert choose_preset(role="backbone") is OFFLINE
    assert choose_preset("offline", role="backbone") is OFFLINE
    with pytest.raises(WeightsUnavailable, match="needs weights that are not on this machine"):
        choose_preset("offline")


def test_for_an_image_text_encoder_alone_auto_prefers_a_complete_preset(monkeypatch, tmp_path):
    only_here(monkeypatch, tmp_path, CLIP_B16)
    assert choose_preset(role="image_text") is PRESETS.get("default")
    assert choose_preset("fast", role="image_text").cards("image_text") == (CLIP_B16,)
    only_here(monkeypatch, tmp_path, CLIP_B16, *OFFLINE.cards())
    assert choose_preset(role="image_text") is OFFLINE
    only_here(monkeypatch, tmp_path, *OFFLINE.cards("image_text"))
    assert choose_preset(role="image_text") is choose_preset("offline", role="image_text") is OFFLINE


@pytest.mark.usefixtures("nothing_is_here")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "default",
            "preset default needs weights for its backbone that are not on this machine (dino-vitb8): "
            "run  ovseg models download dino-vitb8",
        ),
        (
            "offline",
            "preset offline needs weights for its backbone that are not on this machine "
            "(dinov2-vits14-focus): run  ovseg models download dinov2-vits14-focus",
        ),
        (
            "offline --prototype-backbone dino-vitb8",
            "preset offline --prototype-backbone dino-vitb8 needs weights for its backbone that are not on "
            "this machine (dinov2-vits14-focus): run  ovseg models download dinov2-vits14-focus",
        ),
        (
            "auto",
            "no preset has the weights of its backbone on this machine: run  ovseg models download offline",
        ),
    ],
)
def test_weights_of_other_roles_are_not_missed(name, message):
    with pytest.raises(WeightsUnavailable) as caught:
        choose_preset(name, role="backbone")
    assert str(caught.value) == message


@pytest.mark.usefixtures("everything_is_here")
def test_the_weights_of_a_role_are_those_of_the_model_that_plays_it():
    for name in ("default", "offline"):
        chosen = choose_preset(name, ModelChoice(image_text_encoder="clip-vitl14", backbone="dino-vits16"))
        assert [card.name for card in chosen.cards("backbone")] == ["dino-vits16"]
        assert [card.name for card in chosen.cards("image_text")] == ["clip-vitl14"]
    offline = choose_preset("offline", ModelChoice(backbone="dino-vits16"))
    assert offline.cards("image_text") == OFFLINE.cards("image_text")
    assert offline.cards() == (*OFFLINE.cards("image_text"), DINO_S16)


@pytest.mark.usefixtures("everything_is_here")
def test_flags_take_the_place_of_a_presets_models():
    chosen = choose_preset("default", ModelChoice(backbone="timm:vit_small_patch16_224.dino"))
    assert [card.name for card in chosen.cards()] == ["clip-vitb16", "dino-vits16"]
    assert chosen.models == ModelChoice(
        "ViT-B-16:openai", "timm:vit_small_patch16_224.dino", None, "proxyclip"
    )
    assert chosen.name == "default --backbone timm:vit_small_patch16_224.dino"
    offline = choose_preset("offline", ModelChoice(prototype_backbone="dino-vitb8"))
    assert offline.cards() == (*OFFLINE.cards(), DINO_B8)


@pytest.mark.usefixtures("nothing_is_here")
def test_two_models_need_no_preset():
    with pytest.raises(WeightsUnavailable) as caught:
        choose_preset("auto", ModelChoice("ViT-B-16:openai", "dino-vitb8"))
    assert str(caught.value).endswith("(clip-vitb16, dino-vitb8): run  ovseg models download clip-vitb16")


@pytest.mark.usefixtures("everything_is_here")
def test_a_dense_variant_is_of_clip():
    with pytest.raises(UsageError, match="preset offline has no CLIP to be read densely"):
        choose_preset("offline", ModelChoice(dense_variant="sclip"))
    with pytest.raises(UnknownName, match=r"unknown dense variant 'sclp': did you mean sclip"):
        choose_preset("default", ModelChoice(dense_variant="sclp"))
    assert choose_preset("default", ModelChoice(dense_variant="sclip")).models.dense_variant == "sclip"


@pytest.mark.usefixtures("everything_is_here")
def test_templates_are_of_clip():
    with pytest.raises(UsageError, match="preset offline has no CLIP"):
        choose_preset("offline", ModelChoice(templates="imagenet7"))
    with pytest.raises(
        UnknownName, match=r"unknown templates 'imagenet8': did you mean imagenet80, imagenet7"
    ):
        choose_preset("default", ModelChoice(templates="imagenet8"))
    chosen = choose_preset("default", ModelChoice(templates="imagenet7"))
    assert chosen.name == "default --templates imagenet7"
    assert choose_preset(chosen.name).models == chosen.models


def test_templates_reach_the_encoder(tmp_path):
    folder = save_folder(tmp_path / "clip", tiny_model())
    models = ModelChoice(f"local-dir:{folder}", dense_variant="naclip", templates="simple")
    about = Preset(PresetCard("one", "", models), LoadContext(cache_dir=tmp_path)).image_text.describe()
    assert (about["templates"], about["variant"]) == ("simple", "naclip")


@pytest.fixture
def preset_folder(tmp_path):
    for part in ("clip", "shape"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "model.safetensors").write_bytes(part.encode())
    table = {
        "format": "ovseg-preset",
        "version": 1,
        "summary": "two small models",
        "licence": "Apache-2.0",
        "commercial": True,
        "roles": {"image_text_encoder": "clip", "backbone": "shape", "dense_variant": "value"},
        "sha256": {"clip/model.safetensors": "0" * 64},
    }
    (tmp_path / "preset.json").write_text(json.dumps(table))
    return tmp_path


def test_a_folder_is_a_preset(preset_folder):
    chosen = choose_preset(f"local-dir:{preset_folder}")
    assert chosen.summary == "two small models"
    assert [card.licence for card in chosen.cards()] == ["Apache-2.0"] * 2
    with pytest.raises(WeightsUnavailable, match="recorded is 000000000000"):
        Preset(chosen, LoadContext()).load()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "format 'ovseg-preset' version 2"),
        ({"roles": {"image_text_encoder": "../elsewhere", "backbone": "shape"}}, "lies outside the folder"),
        ({"roles": {"names": "clip"}}, "unknown role 'names'"),
        ({"licence": None, "format": "other"}, "format 'other'"),
    ],
)
def test_folders_that_are_no_presets(preset_folder, change, message):
    path = preset_folder / "preset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(WeightsUnavailable, match=message):
        choose_preset(f"local-dir:{preset_folder}")
    path.write_text("{")
    with pytest.raises(WeightsUnavailable, match=r"is no preset of ovseg"):
        choose_preset(f"local-dir:{preset_folder}")


@pytest.mark.usefixtures("everything_is_here")
@pytest.mark.parametrize(
    "name",
    ["default --backbone dino-vits16", "custom --image-text-encoder clip-vitb16 --backbone dino-vitb8"],
)
def test_the_name_that_is_recorded_can_be_given_back(name):
    assert choose_preset(name).name == name
    assert choose_preset(choose_preset(name).name).cards() == choose_preset(name).cards()


@pytest.mark.parametrize("name", ["default --shap x", "default --backbone ", "default --"])
def test_flags_that_no_preset_has(name):
    with pytest.raises(
        UnknownName, match="there is --image-text-encoder, --backbone, --prototype-backbone, --dense-variant"
    ):
        choose_preset(name)


def test_the_backbone_is_loaded_without_the_image_text_encoder(offline_cache, monkeypatch):
    for builder in ("ConseEncoder", "load_classifier"):
        monkeypatch.setattr(f"ovseg.encoders.offline.{builder}", refuse)
    preset = open_preset("offline", LoadContext(cache_dir=offline_cache))
    assert preset.backbone.family == "dinov2"
    about = preset.describe("backbone")
    assert about["preset"] == "offline"
    assert [weights["sha256"] for weights in about["weights"]] == [DINOV2_FOCUS.sha256]
    with pytest.raises(AssertionError, match="an encoder that nobody asked for was built"):
        preset.load()


def test_the_image_text_encoder_is_loaded_without_the_backbone(offline_cache, monkeypatch):
    monkeypatch.setattr("ovseg.encoders.offline.load_dinov2_focus", refuse)
    preset = open_preset("offline", LoadContext(cache_dir=offline_cache))
    assert preset.image_text.describe()["sha256"] == EFFICIENTNET_LITE2.sha256
    assert preset.words == ()
    with pytest.raises(AssertionError, match="an encoder that nobody asked for was built"):
        preset.load()


def test_words_and_spaces_go_with_the_models_of_a_preset(tmp_path):
    clip = f"local-dir:{save_folder(tmp_path / 'clip', tiny_model())}"
    knowing = replace(OFFLINE, words=("cat", "dog"))
    assert knowing.with_models(ModelChoice()) is knowing
    other = knowing.with_models(ModelChoice(backbone=clip))
    assert (other.words, other.spaces) == (("cat", "dog"), None)
    assert knowing.with_models(ModelChoice(image_text_encoder=clip)).words == ()


def test_a_preset_without_backbone_is_refused():
    with pytest.raises(UsageError, match=r"^preset half has no backbone: add backbone=$"):
        PresetCard("half", "", ModelChoice("clip-vitb16")).source("backbone")
