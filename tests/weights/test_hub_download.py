"""Downloads from a hub on this machine, as the hub's own client makes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from fake_hub import COMMIT, FakeHub

from ovseg.errors import WeightsUnavailable
from ovseg.weights.cards import HubFiles, WeightCard
from ovseg.weights.hash_record import HashRecord
from ovseg.weights.hub import download
from ovseg.weights.locate import find_file, require_checked

WEIGHTS = b"many numbers" * 100
SHA = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def hub(empty_hub: FakeHub) -> FakeHub:
    empty_hub.repos["owner/tiny"] = {
        "model.safetensors": WEIGHTS,
        "config.json": b"{}",
        "README.md": b"hello",
    }
    return empty_hub


def card(sha256: str | None = None, revision: str | None = None, files: tuple[str, ...] = ()) -> WeightCard:
    at = HubFiles("owner/tiny", files, revision)
    return WeightCard("tiny", "a tiny model", at, "MIT", "https://huggingface.co/owner/tiny", sha256)


def test_what_can_be_read_is_fetched_checked_and_recorded(hub: FakeHub, tmp_path: Path) -> None:
    told: list[str] = []
    path = download(card(), tmp_path / "ovseg", told.append)
    assert path.read_bytes() == WEIGHTS
    assert told == ["model.safetensors", "config.json"]
    assert not any("README" in line for line in hub.requests)
    assert find_file(card()) == path
    assert require_checked(card()) == path
    lock = HashRecord(tmp_path / "ovseg")
    assert lock.revision(card().at) == COMMIT
    assert lock.sha256(card().at, "model.safetensors") == SHA
    assert json.loads(lock.path.read_text())["format"] == "ovseg-weights-lock"


def test_a_pinned_commit_is_asked_for(hub: FakeHub, tmp_path: Path) -> None:
    pinned = card(SHA, COMMIT, ("model.safetensors",))
    assert download(pinned, tmp_path / "ovseg").read_bytes() == WEIGHTS
    assert all(f"/resolve/{COMMIT}/model.safetensors" in line for line in hub.requests)


def test_other_bytes_than_on_record_are_refused(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=f"has SHA-256 {SHA[:12]}…, expected is 000000000000"):
        download(card("0" * 64, COMMIT, ("model.safetensors",)), tmp_path / "ovseg")
    assert not (tmp_path / "ovseg").exists()


def test_other_bytes_than_the_hub_says_are_refused(hub: FakeHub, tmp_path: Path) -> None:
    hub.lie = WEIGHTS[::-1]
    with pytest.raises(WeightsUnavailable, match=f"expected is {SHA[:12]}…: delete"):
        download(card(files=("model.safetensors",)), tmp_path / "ovseg")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (
            403,
            "GatedRepo",
            "wants its licence accepted: do so at https://huggingface.co/owner/tiny, set HF_TOKEN",
        ),
        (404, "RepoNotFound", "the hub has no hf-hub:owner/tiny, or wants HF_TOKEN for it"),
        (500, "", "cannot download hf-hub:owner/tiny: "),
    ],
)
def test_what_the_hub_refuses(hub: FakeHub, tmp_path: Path, status: int, code: str, message: str) -> None:
    hub.status, hub.code = status, code
    with pytest.raises(WeightsUnavailable) as caught:
        download(card(), tmp_path / "ovseg")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4


def test_repositories_without_weights(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["owner/tiny"] = {"README.md": b""}
    with pytest.raises(WeightsUnavailable, match=r"has nothing that ovseg reads: open_clip_model\.safe"):
        download(card(), tmp_path / "ovseg")
