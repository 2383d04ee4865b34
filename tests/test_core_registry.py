from __future__ import annotations

import pytest

import ovseg.errors
from ovseg import registry
from ovseg.errors import OvsegError, UnknownName
from ovseg.registry import Registry


@pytest.fixture
def fruits() -> Registry[int]:
    table: Registry[int] = Registry("fruit")
    for number, name in enumerate(("apple", "banana", "cherry")):
        table.register(name)(number)
    return table


def test_entries_are_found_by_name_in_order_of_registration(fruits):
    assert fruits.get("banana") == 1
    assert fruits.names() == ["apple", "banana", "cherry"]
    assert list(fruits) == [("apple", 0), ("banana", 1), ("cherry", 2)]
    assert "apple" in fruits
    assert "pear" not in fruits


def test_register_gives_back_what_it_files():
    def entry() -> None: ...

    assert Registry("step").register("one")(entry) is entry


def test_an_unknown_name_hints_at_the_nearest(fruits):
    with pytest.raises(UnknownName) as caught:
        fruits.get("bannana")
    assert str(caught.value) == "unknown fruit 'bannana': did you mean banana?"


def test_a_name_like_no_other_lists_them_all(fruits):
    with pytest.raises(UnknownName) as caught:
        fruits.get("xyz")
    assert str(caught.value) == "unknown fruit 'xyz': there is apple, banana, cherry"


def test_two_plug_ins_of_one_name_are_a_bug(fruits):
    with pytest.raises(ValueError, match="fruit 'apple' is registered twice"):
        fruits.register("apple")(9)
    assert fruits.get("apple") == 0


def test_plug_ins_of_third_parties_are_loaded_once_and_only_when_needed(fruits, monkeypatch):
    calls = []

    class Point:
        def load(self):
            return lambda: calls.append(fruits.register("durian")(3))

    def found(group: str) -> list[Point]:
        assert group == "ovseg.plugins"
        return [Point()]

    monkeypatch.setattr(registry, "_loaded", False)
    monkeypatch.setattr("importlib.metadata.entry_points", found)
    assert fruits.get("apple") == 0
    assert calls == []
    assert fruits.get("durian") == 3
    with pytest.raises(UnknownName):
        fruits.get("fig")
    assert calls == [3]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("OvsegError", 1),
        ("UsageError", 2),
        ("ConfigError", 2),
        ("InputError", 1),
        ("OutputError", 1),
        ("DatasetError", 1),
        ("UnknownName", 2),
        ("WeightsUnavailable", 4),
        ("BankMismatch", 1),
        ("DependencyMissing", 1),
    ],
)
def test_every_expected_failure_has_its_exit_code(name, code):
    kind = getattr(ovseg.errors, name)
    assert issubclass(kind, OvsegError)
    assert kind("line").exit_code == code
