"""Tables over dataclasses: what fits is taken, every surprise is refused by name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg.cli.config_merge import nested, parse_assignment, read_toml, to_toml, value_at
from ovseg.errors import ConfigError, InputError
from ovseg.overrides import overlay


@dataclass(frozen=True)
class Inner:
    threshold: float = 0.5
    mode: Literal["slow", "fast"] = "slow"
    pair: tuple[int, int] = (1, 2)

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold must be in [0, 1], not {self.threshold}")


@dataclass(frozen=True)
class Outer:
    name: str = "x"
    count: int | None = None
    words: tuple[str, ...] = ()
    on: bool = True
    folder: Path | None = None
    inner: Inner = field(default_factory=Inner)


def test_values_are_taken_over_in_their_types() -> None:
    table = {
        "count": 3,
        "words": ["a", "b"],
        "folder": "/tmp/x",
        "inner": {"threshold": 1, "mode": "fast", "pair": [3, 4]},
    }
    result = overlay(Outer(), table, "file")
    assert result == Outer("x", 3, ("a", "b"), True, Path("/tmp/x"), Inner(1.0, "fast", (3, 4)))
    assert isinstance(result.inner.threshold, float)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"nme": "y"}, "file: unknown key 'nme': did you mean name"),
        ({"zzz": 1}, "file: unknown key 'zzz': known are count, folder, inner, name, on, words"),
        ({"threshold": 1}, r"file: unknown key 'threshold': did you mean inner.threshold\?"),
        ({"inner": {"treshold": 1}}, "file: unknown key 'inner.treshold': did you mean inner.threshold"),
        ({"inner": {"threshold": 2}}, r"file: inner.threshold must be in \[0, 1\], not 2"),
        ({"inner": {"mode": "medium"}}, "file: inner.mode must be one of slow, fast, not 'medium'"),
        ({"inner": {"pair": [1]}}, r"file: inner.pair must be a list of 2, not \[1\]"),
        ({"inner": 3}, "file: inner must be of type Inner, not 3"),
        ({"count": "3"}, "file: count must be of type int, not '3'"),
        ({"count": True}, "file: count must be of type int, not True"),
        ({"on": 1}, "file: on must be of type bool, not 1"),
        ({"words": "a"}, "file: words must be a list, not 'a'"),
        ({"words": [1]}, "file: words must be of type str, not 1"),
    ],
)
def test_surprises_are_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        overlay(Outer(), table, "file")


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("a=1", {"a": 1}),
        ("a.b=0.5", {"a": {"b": 0.5}}),
        ("a = true", {"a": True}),
        ("a=pamr", {"a": "pamr"}),
        ("a=[1, 2]", {"a": [1, 2]}),
        ("a='1'", {"a": "1"}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
    ],
)
def test_assignments_are_read_as_toml_or_as_text(text: str, table: dict[str, object]) -> None:
    assert parse_assignment(text) == table


@pytest.mark.parametrize("text", ["a", "=1", "a..b=1", ""])
def test_malformed_assignments_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--set takes name=value"):
        parse_assignment(text)


def test_paths_into_settings() -> None:
    assert nested("a.b.c", 1) == {"a": {"b": {"c": 1}}}
    assert value_at(Outer(), "inner.pair") == (1, 2)


@given(
    st.builds(
        Outer,
        name=st.text(st.characters(exclude_categories=["Cs"])),
        count=st.none() | st.integers(-(2**63), 2**63 - 1),
        words=st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple),
        on=st.booleans(),
        inner=st.builds(Inner, threshold=st.floats(0, 1), mode=st.sampled_from(["slow", "fast"])),
    )
)
def test_printed_settings_can_be_read_back(settings: Outer) -> None:
    assert overlay(Outer(), tomllib.loads(to_toml(settings)), "printed") == settings


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read configuration"):
        read_toml(tmp_path / "gone.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(InputError, match=r"cannot read configuration .*bad\.toml"):
        read_toml(tmp_path / "bad.toml")
