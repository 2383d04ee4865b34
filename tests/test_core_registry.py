from __future__ import annotations

from types import SimpleNamespace

import pytest

import ovseg.errors
from ovseg import registry
from ovseg.errors import DependencyMissing, OvsegError, UnknownName
from ovseg.registry import Registry, installed_plugins, provide, registry_of


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


class Point:
    """An entry point; what it names is an attribute of this module."""

    def __init__(self, name: str, attribute: str) -> None:
        self.dist = SimpleNamespace(name=name, version="1.0")
        self.name, self.value = name, f"{__name__}:{attribute}"


@pytest.fixture
def plug(monkeypatch):
    """``plug(point, …)`` are the plug-ins that are installed."""

    def installed(*points: Point) -> None:
        def found(group: str) -> list[Point]:
            assert group == "ovseg.plugins"
            return list(points)

        monkeypatch.setattr(registry, "_loaded", False)
        monkeypatch.setattr(registry, "_plugins", [])
        monkeypatch.setattr("importlib.metadata.entry_points", found)

    return installed


FRUITS: Registry[int] = Registry("fruit")
CALLS: list[str] = []


def grow_durian() -> None:
    CALLS.append("durian")
    FRUITS.register("durian")(3)


def grow_late() -> None:
    FRUITS.offer("fig", f"{__name__}:FIG", summary="sweet", tags=("dried",))
    FRUITS.offer("rotten", "no_such_module_at_all:X")


FIG = 7


def fail() -> None:
    raise RuntimeError("two\nlines")


@pytest.fixture(autouse=True)
def _empty(monkeypatch):
    monkeypatch.setattr(FRUITS, "_entries", {"apple": 0})
    monkeypatch.setattr(FRUITS, "_offers", {})
    CALLS.clear()


def test_plug_ins_are_loaded_once_and_only_when_needed(plug):
    plug(Point("durians", "grow_durian"))
    assert FRUITS.get("apple") == 0
    assert FRUITS.names(plugins=False) == ["apple"]
    assert CALLS == []
    assert FRUITS.get("durian") == 3
    assert FRUITS.names() == ["apple", "durian"]
    with pytest.raises(UnknownName):
        FRUITS.get("grape")
    assert CALLS == ["durian"]
    assert FRUITS.about("durian").origin == "durians 1.0"


def test_iterating_looks_for_plug_ins_behind_what_is_built_in(plug):
    plug(Point("durians", "grow_durian"))
    entries = iter(FRUITS)
    assert next(entries) == ("apple", 0)
    assert CALLS == []
    assert list(entries) == [("durian", 3)]


def test_what_is_offered_is_imported_when_it_is_asked_for(plug):
    plug(Point("late", "grow_late"))
    assert FRUITS.names() == ["apple", "fig", "rotten"]
    assert FRUITS.names(without=("dried",)) == ["apple", "rotten"]
    assert FRUITS.about("fig").summary == "sweet"
    assert FRUITS.get("fig") == 7
    with pytest.raises(DependencyMissing, match=r"^fruit 'rotten' of late 1\.0 cannot be imported \(Module"):
        FRUITS.get("rotten")


def test_a_broken_entry_is_left_out_of_iteration_with_one_warning(plug, caplog):
    plug(Point("late", "grow_late"))
    assert list(FRUITS) == [("apple", 0), ("fig", 7)]
    assert list(FRUITS) == [("apple", 0), ("fig", 7)]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("plug-in late 1.0 is left out: fruit 'rotten'")


def test_a_plug_in_that_fails_harms_no_other(plug, caplog):
    plug(Point("bad", "fail"), Point("gone", "no_such"), Point("durians", "grow_durian"))
    assert FRUITS.get("durian") == 3
    assert caplog.messages[0] == "plug-in bad 1.0 is left out: RuntimeError: two lines"
    assert caplog.messages[1].startswith("plug-in gone 1.0 is left out: AttributeError: ")
    assert len(caplog.messages) == 2
    assert [bool(plugin.error) for plugin in installed_plugins()] == [True, True, False]


def test_a_plug_in_cannot_take_a_name_that_is_taken(plug, caplog):
    plug(Point("thief", "grow_apple"))
    assert FRUITS.names() == ["apple"]
    assert caplog.messages == ["plug-in thief 1.0 is left out: ValueError: fruit 'apple' is registered twice"]


def grow_apple() -> None:
    FRUITS.register("apple")(9)


def test_names_with_settings_hold_no_dot():
    with pytest.raises(ValueError, match="must have no dot"):
        provide("format", "a.b", "x:y", settings=Point)


def test_everything_that_is_built_in_can_be_imported():
    for kind in ("encoder", "preset", "format", "dataset", "source"):
        table = registry_of(kind)
        names = table.names(plugins=False)
        assert names
        assert all(table.get(name) is not None for name in names)


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
