from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from clip_models import save_folder, tiny_model

from ovseg.encoders import preset_card
from ovseg.encoders.presets import OFFLINE, PRESETS, PresetCard, choose_preset, load_preset, preset_note
from ovseg.encoders.roles import ModelChoice, load_names
from ovseg.errors import UnknownName, UsageError, WeightsUnavailable
from ovseg.weights.hub_cards import CLIP_B16, DINO_B8


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
    lesser = replace(OFFLINE, name="lesser", cards=OFFLINE.cards[1:])
    monkeypatch.setattr(PRESETS, "_entries", {"offline": OFFLINE, "lesser": lesser})
    monkeypatch.setattr(preset_card, "find_file", lambda card: None if card == OFFLINE.cards[0] else tmp_path)
    assert choose_preset() is lesser
    assert preset_note("auto", lesser) == (
        f"preset lesser, chosen by auto: {OFFLINE.summary}; better: ovseg models download offline"
    )


@pytest.mark.usefixtures("nothing_is_here")
def test_missing_weights_give_the_command_that_gets_them():
    with pytest.raises(WeightsUnavailable) as caught:
        choose_preset("offline")
    assert str(caught.value) == (
        "preset offline needs weights that are not on this machine (dinov2-vits14-focus, efficientnet-lite2, "
        "all-minilm-l6-v2, all-minilm-l6-v2-tokenizer): run  ovseg models download offline"
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
        load_preset("offlin")


def test_notes_say_which_preset_was_taken(monkeypatch):
    monkeypatch.setattr(PRESETS, "_entries", {"offline": OFFLINE})
    assert preset_note("offline", OFFLINE) == f"preset offline: {OFFLINE.summary}"
    assert "the best of those on record, chosen by auto" in preset_note("auto", OFFLINE)


@pytest.mark.usefixtures("everything_is_here")
def test_a_preset_is_loaded_where_it_is_wanted(monkeypatch, tmp_path):
    calls = []
    card = replace(OFFLINE, load=lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(PRESETS, "_entries", {"offline": card})
    load_preset("offline")
    load_preset("offline", device=torch.device("meta"), dtype=torch.bfloat16, cache_dir=tmp_path)
    assert calls == [
        (torch.device("cpu"), torch.float32, None),
        (torch.device("meta"), torch.bfloat16, tmp_path),
    ]


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
        assert all(weights.commercial and weights.licence for weights in card.cards)
        if card.roles:  # what it is made of is what its cards are of
            given = {card.roles.image_text_encoder, card.roles.backbone, card.roles.prototype_backbone} - {
                None
            }
            assert {weights.spec for weights in card.cards} == given


def test_auto_names_a_better_preset_and_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(preset_card, "find_file", lambda card: tmp_path if card in OFFLINE.cards else None)
    assert choose_preset() is OFFLINE
    assert preset_note("auto", OFFLINE).endswith("; better: ovseg models download best")


def only_here(monkeypatch, tmp_path, *cards):
    monkeypatch.setattr(preset_card, "find_file", lambda card: tmp_path if card in cards else None)


def test_where_shapes_are_all_that_is_wanted_auto_goes_by_their_weights(monkeypatch, tmp_path):
    only_here(monkeypatch, tmp_path, DINO_B8, *OFFLINE.cards)
    chosen = choose_preset(role="backbone")
    assert chosen is PRESETS.get("default")
    assert chosen.weights("backbone") == (DINO_B8,)
    assert preset_note("auto", chosen, "backbone") == (
        "preset default, chosen by auto: backbone alone, DINO ViT-B/8; "
        "better: ovseg models download dinov2-vitl14"
    )
    assert choose_preset() is OFFLINE  # all else wants words, too
    only_here(monkeypatch, tmp_path, OFFLINE.cards[0])
    assert choose_preset(role="backbone") is OFFLINE
    assert choose_preset("offline", role="backbone") is OFFLINE
    with pytest.raises(WeightsUnavailable, match="needs weights that are not on this machine"):
        choose_preset("offline")


def test_where_names_are_all_that_is_wanted_auto_prefers_what_everything_can_be_done_with(
    monkeypatch, tmp_path
):
    only_here(monkeypatch, tmp_path, CLIP_B16)
    assert choose_preset(role="image_text") is PRESETS.get("default")
    assert choose_preset("fast", role="image_text").weights("image_text") == (CLIP_B16,)
    only_here(monkeypatch, tmp_path, CLIP_B16, *OFFLINE.cards)
    assert choose_preset(role="image_text") is OFFLINE
    only_here(monkeypatch, tmp_path, *OFFLINE.cards[1:])
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
        assert [card.name for card in chosen.weights("backbone")] == ["dino-vits16"]
        assert [card.name for card in chosen.weights("image_text")] == ["clip-vitl14"]
    offline = choose_preset("offline", ModelChoice(backbone="dino-vits16"))
    assert offline.weights("image_text") == OFFLINE.cards[1:]
    whole = replace(OFFLINE, backbone=None, image_text=None)
    assert whole.weights("backbone") == whole.weights("image_text") == whole.cards


@pytest.mark.usefixtures("everything_is_here")
def test_flags_take_the_place_of_a_presets_models():
    chosen = choose_preset("default", ModelChoice(backbone="timm:vit_small_patch16_224.dino"))
    assert [card.name for card in chosen.cards] == ["clip-vitb16", "dino-vits16"]
    assert chosen.roles == ModelChoice(
        "ViT-B-16:openai", "timm:vit_small_patch16_224.dino", None, "proxyclip"
    )
    assert chosen.name == "default --backbone timm:vit_small_patch16_224.dino"
    offline = choose_preset("offline", ModelChoice(prototype_backbone="dino-vitb8"))
    assert offline.cards == (*OFFLINE.cards, DINO_B8)


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
    assert choose_preset("default", ModelChoice(dense_variant="sclip")).roles.dense_variant == "sclip"


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
    assert choose_preset(chosen.name).roles == chosen.roles


def test_templates_reach_the_encoder(tmp_path):
    folder = save_folder(tmp_path / "clip", tiny_model())
    roles = ModelChoice(f"local-dir:{folder}", dense_variant="naclip", templates="simple")
    names = load_names(roles, device=torch.device("cpu"), dtype=torch.float32, cache_dir=tmp_path)
    assert (names.describe()["templates"], names.describe()["variant"]) == ("simple", "naclip")


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
    assert [card.licence for card in chosen.cards] == ["Apache-2.0"] * 2
    with pytest.raises(WeightsUnavailable, match="recorded is 000000000000"):
        chosen.load(torch.device("cpu"), torch.float32, None)


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
    assert choose_preset(choose_preset(name).name).cards == choose_preset(name).cards


@pytest.mark.parametrize("name", ["default --shap x", "default --backbone ", "default --"])
def test_flags_that_no_preset_has(name):
    with pytest.raises(
        UnknownName, match="there is --image-text-encoder, --backbone, --prototype-backbone, --dense-variant"
    ):
        choose_preset(name)


def refuse(*_, **__):
    raise AssertionError("an encoder of names was built")


def test_the_shape_encoder_comes_without_that_of_names(offline_cache, monkeypatch):
    for builder in ("conse.ConseEncoder", "offline.load_classifier"):
        monkeypatch.setattr(f"ovseg.encoders.{builder}", refuse)
    alone = OFFLINE.load_shape(torch.device("cpu"), torch.float32, offline_cache)
    assert (alone.preset, alone.cards) == ("offline", OFFLINE.cards[:1])
    assert alone.backbone.family == "dinov2"
    assert alone.describe()["weights"][0]["sha256"] == OFFLINE.cards[0].sha256
    with pytest.raises(AssertionError, match="an encoder of names was built"):
        OFFLINE.load(torch.device("cpu"), torch.float32, offline_cache)


def test_the_encoder_of_names_comes_without_that_of_shapes(offline_cache, monkeypatch):
    def refuse_shapes(*_, **__):
        raise AssertionError("a shape encoder was built")

    monkeypatch.setattr("ovseg.encoders.offline.load_dinov2_focus", refuse_shapes)
    alone = OFFLINE.load_names(torch.device("cpu"), torch.float32, offline_cache)
    assert (alone.preset, alone.cards, alone.words) == ("offline", OFFLINE.cards[1:], ())
    assert alone.image_text.describe()["sha256"] == OFFLINE.cards[1].sha256
    with pytest.raises(AssertionError, match="a shape encoder was built"):
        OFFLINE.load(torch.device("cpu"), torch.float32, offline_cache)


@pytest.fixture
def knowing(tmp_path):
    """A preset with its own loader, which cannot load a role alone and knows two words."""
    clip = f"local-dir:{save_folder(tmp_path / 'own', tiny_model())}"
    inner = preset_card.preset_of(
        "inner", "", ModelChoice(image_text_encoder=clip, backbone=clip, dense_variant="value")
    )

    def load(*arguments):
        return replace(inner.load(*arguments), preset="knowing", words=("cat", "dog"))

    return PresetCard("knowing", "knows two words", inner.cards, load)


def test_words_that_an_encoder_knows_come_with_it(knowing):
    alone = knowing.load_names(torch.device("cpu"), torch.float32, None)
    assert alone.words == ("cat", "dog")


def test_words_that_an_encoder_knows_stay_with_another_shape_encoder(knowing, tmp_path):
    clip = f"local-dir:{save_folder(tmp_path / 'clip', tiny_model())}"
    for roles, known in ((ModelChoice(backbone=clip), True), (ModelChoice(image_text_encoder=clip), False)):
        card = knowing.with_roles(roles)
        whole = card.load(torch.device("cpu"), torch.float32, tmp_path)
        names = card.load_names(torch.device("cpu"), torch.float32, tmp_path)
        assert whole.words == names.words
        assert bool(whole.words) is known


def test_a_preset_that_cannot_load_its_shape_encoder_alone_loads_all(knowing):
    loaders = (knowing.load, knowing.load_shape)
    whole, alone = (load(torch.device("cpu"), torch.float32, None) for load in loaders)
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(*(one.backbone.encode(images)[-1, "token"] for one in (whole, alone)))
    assert (alone.preset, alone.cards) == ("knowing", knowing.cards)
