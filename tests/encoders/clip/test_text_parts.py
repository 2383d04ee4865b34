"""Tokenizers and text towers that live in other repositories than the weights: fetched by the one command
that fetches, recorded, and never looked for on the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from clip_models import TINY, save_folder, tiny_model
from fake_hub import FakeHub
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.encoders.clip.load import load_model
from ovseg.encoders.sources import card_for
from ovseg.encoders.text_parts import model_config, text_parts
from ovseg.errors import WeightsUnavailable
from ovseg.weights.cards import HubFiles
from ovseg.weights.spec import parse_spec

SPEC = "hf-hub:owner/clip"
CONFIG = TINY | {"text_cfg": TINY["text_cfg"] | {"hf_tokenizer_name": "owner/words"}}


def tokenizer_files(folder: Path) -> dict[str, bytes]:
    """A tokenizer of whole words, as transformers saves one."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2, "dog": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(empty_hub: FakeHub, tmp_path: Path) -> FakeHub:
    pytest.importorskip("transformers")
    model = save_folder(tmp_path / "model", tiny_model(), CONFIG)
    empty_hub.repos["owner/clip"] = {path.name: path.read_bytes() for path in model.iterdir()}
    empty_hub.repos["owner/words"] = tokenizer_files(tmp_path / "words") | {
        "model.safetensors": b"not wanted"
    }
    return empty_hub


def download(*more: str) -> Any:
    return CliRunner().invoke(application(), ["models", "download", SPEC, *more])


def test_the_command_brings_the_tokenizer_and_loading_asks_nobody(hub: FakeHub) -> None:
    result = download()
    assert result.exit_code == 0, result.stderr
    assert "tokenizer of owner/clip: hf-hub:owner/words" in result.stderr
    assert result.stdout.splitlines() == [str(next(iter(weights(hub))))]
    assert not any("words" in line and "model.safetensors" in line for line in hub.requests)
    requests = len(hub.requests)
    tokens = load_model(SPEC).tokenize(["a dog", "a cat"])
    assert tokens.tolist() == [[2, 3] + 18 * [0], [2, 1] + 18 * [0]]
    assert tokens.dtype == torch.int64
    # All is here: neither loading nor the same command again has anything to ask, also with the hub shut off.
    assert download("--offline").exit_code == 0
    assert len(hub.requests) == requests


def weights(hub: FakeHub) -> list[Path]:
    import os

    return list(Path(os.environ["HF_HUB_CACHE"]).glob("models--owner--clip/snapshots/*/*.safetensors"))


def test_without_it_the_line_says_which_command_brings_it(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = hub.repos.pop("owner/words")
    result = download()
    assert result.exit_code == 4
    assert "the hub has no hf-hub:owner/words" in result.stderr
    requests = len(hub.requests)
    with pytest.raises(WeightsUnavailable) as caught:
        load_model(SPEC)
    assert str(caught.value) == (
        f"tokenizer of owner/clip is not on this machine: run  ovseg models download {SPEC}"
    )
    assert caught.value.exit_code == 4
    assert len(hub.requests) == requests
    hub.repos["owner/words"] = words
    assert download("--offline").exit_code == 4
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # which --offline has set
    assert download().exit_code == 0
    load_model(SPEC)


def test_a_tokenizer_that_has_changed_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    download()
    (path,) = tmp_path.glob("hub/models--owner--words/snapshots/*/tokenizer.json")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content + b" ")
    with pytest.raises(WeightsUnavailable, match=r"tokenizer\.json is not what was recorded"):
        load_model(SPEC)


def test_one_that_lies_beside_the_weights_is_taken(hub: FakeHub, tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "whole", tiny_model(), CONFIG)
    for name, content in hub.repos["owner/words"].items():
        if name.endswith(".json"):
            (folder / name).write_bytes(content)
    assert text_parts(card_for(f"local-dir:{folder}")) == ()
    assert load_model(f"local-dir:{folder}").tokenize(["dog"])[0, 0] == 3
    assert not hub.requests
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(WeightsUnavailable, match="holds no tokenizer for CLIP local-dir"):
        load_model(f"local-dir:{folder}")


def test_models_of_other_kinds_have_no_such_parts(tmp_path: Path) -> None:
    assert text_parts(card_for("dinov2-vits14")) == ()
    folder = save_folder(tmp_path / "plain", tiny_model())
    assert text_parts(card_for(f"local-dir:{folder}")) == ()


def test_a_text_tower_of_the_hub_is_built_from_its_folder_alone(hub: FakeHub, tmp_path: Path) -> None:
    from open_clip.model import CustomTextCLIP
    from transformers import BertConfig

    tower = tmp_path / "tower"
    BertConfig(
        vocab_size=4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    ).save_pretrained(tower)
    text = {"hf_tokenizer_name": "owner/words", "hf_pooler_type": "mean_pooler", "context_length": 20}
    built = text | {"hf_model_name": str(tower), "hf_model_pretrained": False}
    model = CustomTextCLIP(TINY["embed_dim"], TINY["vision_cfg"], built).eval()
    config = TINY | {"text_cfg": text | {"hf_model_name": "owner/words"}, "custom_text": True}
    saved = save_folder(tmp_path / "custom", model, config)
    hub.repos["owner/clip"] = {path.name: path.read_bytes() for path in saved.iterdir()}
    hub.repos["owner/words"]["config.json"] = (tower / "config.json").read_bytes()
    assert download().exit_code == 0
    (part,) = text_parts(card_for(SPEC))
    assert part.at == HubFiles("owner/words", weights=False)
    requests = len(hub.requests)
    loaded = load_model(SPEC)
    with torch.inference_mode():
        tokens = loaded.tokenize(["a dog"])
        torch.testing.assert_close(loaded.model.encode_text(tokens), model.encode_text(tokens))
    assert len(hub.requests) == requests


def test_open_clips_table_says_where_siglip_keeps_its_words(tmp_path: Path) -> None:
    spec = parse_spec("ViT-B-16-SigLIP2:webli")
    assert model_config(spec, tmp_path)["text_cfg"]["hf_tokenizer_name"] == "timm/ViT-B-16-SigLIP2"
