"""Flags that several commands share are declared once, and are the same everywhere."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
import typer
from typer.models import OptionInfo
from typer.testing import CliRunner

from ovseg.cli.bank import add, build
from ovseg.cli.evaluate import dataset, folder
from ovseg.cli.flags import configured, flag, flags, setting, takes_flags, targets
from ovseg.cli.help import Application


@dataclass(frozen=True)
class Inner:
    speed: float = 2.0
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Config:
    inner: Inner = Inner()


CONFIG = Config()


@flags("Input")
class Shared:
    count: int = flag("How many.", required=True)
    words: list[str] = flag("Repeatable.", default=[])
    speed: float | None = setting("inner.speed", "How fast.", "--velocity", of=CONFIG)
    sizes: list[int] = setting("inner.sizes", "How large.", of=CONFIG, panel="Output")
    quiet: bool = flag("Errors only.", "-q", default=False)


@flags("Run")
class Otherwise(Shared):
    words: list[str] = flag("Other words.", default=["x"])


@takes_flags
def first(ctx: typer.Context, place: Annotated[Path, typer.Argument()], flags: Shared) -> None:
    """What it does."""
    typer.echo(f"{ctx.info_name} {place} {shown(flags)} {ctx.params['count']}")


@takes_flags
def second(
    extra: Annotated[int, typer.Option("--extra")] = 1,
    *,
    flags: Otherwise,
    last: Annotated[str, typer.Option("--last")] = "z",
) -> None:
    typer.echo(f"{extra} {shown(flags)} {last}")


def shown(flags: Any) -> list[Any]:
    return [getattr(flags, each.name) for each in fields(flags)]


def invoke(*arguments: str, **environment: str) -> Any:
    app = Application()
    for command in (first, second):
        app.command()(command)
    return CliRunner(env=environment).invoke(app, arguments)


def test_fields_are_flags_and_come_back_as_the_dataclass() -> None:
    result = invoke("first", "here", "--count", "2", "--words", "a", "--words", "b")
    assert result.stdout == "first here [2, ['a', 'b'], 2.0, [1, 2], False] 2\n"
    assert invoke("second", "--count", "3").stdout == "1 [3, ['x'], 2.0, [1, 2], False] z\n"
    assert "True]" in invoke("first", "here", "--count", "2", OVSEG_QUIET="1").stdout
    assert "9.0" in invoke("first", "here", "--count", "2", OVSEG_VELOCITY="9").stdout


def test_a_setting_knows_where_its_value_goes() -> None:
    assert [(each.name, each.path) for each in targets(Otherwise, CONFIG)] == [
        ("speed", "inner.speed"),
        ("sizes", "inner.sizes"),
    ]
    given = Shared(count=1, speed=5.0, sizes=[3])
    assert configured(given, CONFIG) == Config(Inner(5.0, (3,)))
    assert configured(Shared(count=1), CONFIG) == CONFIG
    assert configured(Shared(count=1, speed=None), CONFIG, Config(Inner(7.0))) == Config(Inner(7.0))
    assert list(targets(Shared)) == []


def test_help_stands_in_the_panel_of_the_class_that_declares_a_flag() -> None:
    helped = invoke("second", "--help").stdout
    panels = {part.split(":")[0]: part for part in helped.split("\n\n")[1:]}
    assert "--count N" in panels["Input"]
    assert "--velocity X" in panels["Input"]
    assert "--words NAME" in panels["Run"]
    assert "--sizes N" in panels["Output"]
    assert "-h, --help" in panels["Diagnostics"]


def test_a_field_without_default_must_be_given() -> None:
    result = invoke("second")
    assert result.exit_code == 2
    assert "--count" in result.stderr


def test_a_subclass_changes_a_flag_in_its_place() -> None:
    assert list(inspect.signature(second).parameters) == [
        "extra", "count", "words", "speed", "sizes", "quiet", "last"
    ]  # fmt: skip
    helped = invoke("second", "--help").stdout
    assert "Other words." in helped
    assert "What it does." in invoke("first", "--help").stdout


@pytest.mark.parametrize(
    ("one", "other", "differing"),
    [(build, add, {"bank", "preset"}), (dataset, folder, {"background"})],
)
def test_commands_of_a_kind_take_the_same_flags(one: Any, other: Any, differing: set[str]) -> None:
    first, second = (
        {name: told(p) for name, p in inspect.signature(c).parameters.items()} for c in (one, other)
    )
    names = set(first) | set(second)
    assert {name for name in names if first.get(name) != second.get(name)} == differing
    assert [name for name in first if name in second] == [name for name in second if name in first]


def told(parameter: inspect.Parameter) -> list[Any]:
    """What typer makes of a parameter: its type and flag, field by field, and its default."""
    return [parameter.default, *map(vars_of, get_args(parameter.annotation) or [parameter.annotation])]


def vars_of(part: Any) -> Any:
    return vars(part) if isinstance(part, OptionInfo) else part
