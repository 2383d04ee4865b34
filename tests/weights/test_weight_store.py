from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ovseg.encoders.context import LoadContext
from ovseg.errors import WeightsUnavailable
from ovseg.weights import WeightStore, default_cache_dir
from ovseg.weights.locate import require_checked


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "cache")


def kept(store: WeightStore) -> tuple[Path, Path]:
    (tensors,) = store.root.glob("*.safetensors")
    return tensors, tensors.with_suffix(".json")


def test_conversion_happens_once(package, card, convert, store):
    first = store.state_dict(card, convert)
    again = WeightStore(store.root.parent).state_dict(card, convert)
    assert convert.calls == 1
    values = torch.arange(200, dtype=torch.float32).reshape(10, 20)
    for state in (first, again):
        assert set(state) == {"plain", "turned"}
        assert torch.equal(state["plain"], values)
        assert torch.equal(state["turned"], values.T)


def test_the_kept_file_stands_in_when_the_package_goes(package, card, convert, store):
    store.state_dict(card, convert)
    package.unlink()
    assert set(store.state_dict(card, convert)) == {"plain", "turned"}


def test_another_version_of_the_converter_makes_its_own_file(package, card, convert, store):
    store.state_dict(card, convert)
    store.state_dict(card, convert, version=2)
    store.state_dict(card, convert, version=2)
    assert convert.calls == 2


def test_the_record_has_both_hashes_and_the_licence(package, card, convert, store):
    store.state_dict(card, convert)
    record = json.loads(kept(store)[1].read_text())
    assert record["source_sha256"] == card.sha256
    assert record["licence"] == "MIT"
    assert len(record["sha256"]) == 64


def truncate(tensors: Path, record: Path) -> None:
    tensors.write_bytes(tensors.read_bytes()[:-7])


def empty(tensors: Path, record: Path) -> None:
    tensors.write_bytes(b"")


def flip_a_number(tensors: Path, record: Path) -> None:
    data = bytearray(tensors.read_bytes())
    data[-1] ^= 1
    tensors.write_bytes(data)


def flip_the_header(tensors: Path, record: Path) -> None:
    data = bytearray(tensors.read_bytes())
    data[0] ^= 0x80
    tensors.write_bytes(data)


def lose_the_file(tensors: Path, record: Path) -> None:
    tensors.unlink()


def lose_the_record(tensors: Path, record: Path) -> None:
    record.unlink()


def halve_the_record(tensors: Path, record: Path) -> None:
    record.write_text(record.read_text()[:20])


def binary_record(tensors: Path, record: Path) -> None:
    record.write_bytes(b"\xff\xfe\x00")


def list_as_record(tensors: Path, record: Path) -> None:
    record.write_text("[]")


def record_of_another_file(tensors: Path, record: Path) -> None:
    record.write_text(json.dumps(json.loads(record.read_text()) | {"source_sha256": "0" * 64}))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        empty,
        flip_a_number,
        flip_the_header,
        lose_the_file,
        lose_the_record,
        halve_the_record,
        binary_record,
        list_as_record,
        record_of_another_file,
    ],
)
def test_what_is_damaged_is_made_anew(package, card, convert, store, damage):
    # Cloned: loaded tensors are maps of the file that is about to be damaged.
    whole = {key: value.clone() for key, value in store.state_dict(card, convert).items()}
    before = [path.read_bytes() for path in kept(store)]
    damage(*kept(store))
    again = store.state_dict(card, convert)
    assert convert.calls == 2
    assert all(torch.equal(again[key], whole[key]) for key in whole)
    assert [path.read_bytes() for path in kept(store)] == before
    store.state_dict(card, convert)
    assert convert.calls == 2


def test_a_file_of_another_hash_is_refused_in_one_line(package, card, convert, store):
    package.write_bytes(b"something else")
    with pytest.raises(WeightsUnavailable) as caught:
        store.state_dict(card, convert)
    found = "f41f3fa625ff"
    assert str(caught.value) == (
        f"weights tiny at {package} have SHA-256 {found}…, recorded is {card.sha256[:12]}…: "
        "run  pip install --force-reinstall tiny-package==1.2.3"
    )
    assert caught.value.exit_code == 4
    assert convert.calls == 0
    assert not store.root.exists()


def test_a_missing_package_gives_the_command_that_installs_it(card, convert, store):
    with pytest.raises(WeightsUnavailable) as caught:
        store.state_dict(card, convert)
    assert str(caught.value) == (
        "weights tiny are not on this machine: run  pip install --force-reinstall tiny-package==1.2.3"
    )
    assert caught.value.exit_code == 4
    with pytest.raises(WeightsUnavailable, match=r"run  ovseg models download tiny$"):
        require_checked(replace(card, at=replace(card.at, wheel_sha256="0" * 64)))


def test_a_converter_that_fails_leaves_nothing_behind(package, card, store):
    def fail(path: Path) -> dict[str, torch.Tensor]:
        raise KeyError("no such tensor")

    with pytest.raises(KeyError, match="no such tensor"):
        store.state_dict(card, fail)
    assert not store.root.exists()


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("OVSEG_CACHE_DIR", str(tmp_path))
    assert default_cache_dir() == tmp_path
    assert LoadContext().cache_dir == tmp_path
    monkeypatch.setenv("OVSEG_CACHE_DIR", "")
    assert default_cache_dir().name == "ovseg"
