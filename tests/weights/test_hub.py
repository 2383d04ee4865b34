"""Weights from a hub: found in its cache, recorded when first seen, held to from then on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ovseg.errors import WeightsUnavailable
from ovseg.weights.cards import HubFiles, WeightCard
from ovseg.weights.hash_record import HashRecord
from ovseg.weights.hub import chosen_files, download, find_in_cache, hub_cache
from ovseg.weights.listing import weight_status
from ovseg.weights.locate import find_file, require_checked

COMMIT = "89abcdef" * 5
CONTENT = b"some numbers"
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("OVSEG_CACHE_DIR", str(tmp_path / "ovseg"))


def card(sha256: str | None = None, revision: str | None = None, files=("model.safetensors",)) -> WeightCard:
    return WeightCard(
        "tiny", "a tiny model", HubFiles("owner/tiny", files, revision), "MIT",
        "https://huggingface.co/owner/tiny", sha256,
    )  # fmt: skip


def cached(content: bytes = CONTENT, name: str = "model.safetensors", commit: str = COMMIT) -> Path:
    """What the hub's client leaves on disk after a download."""
    repo = hub_cache() / "models--owner--tiny"
    (repo / "refs").mkdir(parents=True, exist_ok=True)
    (repo / "refs" / "main").write_text(commit)
    path = repo / "snapshots" / commit / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def lock() -> HashRecord:
    from ovseg.weights import default_cache_dir

    return HashRecord(default_cache_dir())


def test_a_cached_file_is_found_without_a_network():
    assert find_file(card()) is None
    path = cached()
    assert find_file(card()) == path
    assert find_file(card(revision=COMMIT)) == path
    assert find_file(card(revision="0" * 40)) is None
    assert find_file(card(files=("model.safetensors", "config.json"))) is None
    cached(b"{}", "config.json")
    assert find_file(card(files=("model.safetensors", "config.json"))) == path


def test_files_that_nobody_named_are_found_by_their_usual_names():
    at = HubFiles("owner/tiny")
    cached(b"{}", "config.json")
    assert find_in_cache(at, lock()) is None
    path = cached()
    assert find_in_cache(at, lock()) == path


def test_what_no_source_gives_is_recorded_and_then_held_to():
    path = cached()
    assert require_checked(card()) == path
    assert lock().sha256(card().at, "model.safetensors") == SHA
    assert lock().revision(card().at) == COMMIT
    status = weight_status(card())
    assert (status.sha256, status.revision, status.size_bytes) == (SHA, COMMIT, len(CONTENT))
    path.write_bytes(b"other numbers")
    with pytest.raises(WeightsUnavailable) as caught:
        require_checked(card())
    assert f"recorded is {SHA[:12]}" in str(caught.value)
    assert "delete it, then run  ovseg models download tiny" in str(caught.value)


def test_a_recorded_commit_stays_when_the_branch_moves_on():
    path = cached()
    require_checked(card())
    cached(b"newer", commit="1" * 40)
    assert find_file(card()) == path


def test_a_hash_on_record_is_not_replaced_by_what_is_found():
    cached(b"something else")
    with pytest.raises(WeightsUnavailable, match=f"recorded is {SHA[:12]}"):
        require_checked(card(SHA, COMMIT))
    assert lock().sha256(card(SHA, COMMIT).at, "model.safetensors") is None


def test_missing_weights_give_the_command():
    with pytest.raises(WeightsUnavailable, match=r"not on this machine: run {2}ovseg models download tiny$"):
        require_checked(card())


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"format": "ovseg-weights-lock", "version": 2, "repositories": {}}', "\0",
                '{"format": "ovseg-weights-lock", "version": 1, "repositories": {"a": 1}}']
)  # fmt: skip
def test_a_damaged_lock_is_refused_in_one_line(content):
    from ovseg.weights import default_cache_dir

    default_cache_dir().mkdir(parents=True)
    (default_cache_dir() / "weights.lock.json").write_text(content)
    with pytest.raises(WeightsUnavailable, match="delete it to record the weights anew") as caught:
        lock()
    assert "\n" not in str(caught.value)


def test_the_lock_is_a_file_that_people_can_read():
    require = lock()
    require.record(card().at, COMMIT, {"model.safetensors": SHA})
    require.record(card().at, "f" * 40, {"model.safetensors": "0" * 64, "config.json": "1" * 64})
    table = json.loads(require.path.read_text())
    entry = table["repositories"]["owner/tiny"]
    assert entry["revision"] == COMMIT
    assert entry["files"] == {"model.safetensors": {"sha256": SHA}, "config.json": {"sha256": "1" * 64}}
    assert lock().files(card().at) == ("model.safetensors", "config.json")


def test_a_download_is_refused_while_the_hub_is_shut_off(tmp_path):
    with pytest.raises(WeightsUnavailable, match="offline: allow the hub"):
        download(card(), tmp_path)


LARGE = "diffusion_pytorch_model.safetensors"
CLIP = "open_clip_model.safetensors"


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ("README.md model.safetensors pytorch_model.bin config.json", "model.safetensors config.json"),
        (
            f"config.json open_clip_config.json {CLIP} model.safetensors vocab.txt",
            f"{CLIP} config.json open_clip_config.json vocab.txt",
        ),
        ("pytorch_model.bin", "pytorch_model.bin"),
        ("README.md config.json model.onnx", ""),
        (
            f"model_index.json v1-5.safetensors unet/config.json unet/{LARGE} vae/{LARGE}"
            " tokenizer/merges.txt unet/diffusion_pytorch_model.fp16.safetensors"
            " safety_checker/model.safetensors",
            f"unet/{LARGE} vae/{LARGE} model_index.json unet/config.json tokenizer/merges.txt",
        ),
    ],
    ids=["plain", "open_clip", "old", "none", "pipeline"],
)
def test_which_files_of_a_repository_are_taken(names, chosen):
    assert chosen_files(names.split()) == tuple(chosen.split())
