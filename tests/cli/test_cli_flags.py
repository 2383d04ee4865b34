"""Flags that several commands share are declared once, and are the same everywhere."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
import typer
from typer.models import OptionInfo
from typer.testing import CliRunner

from ovseg.cli.bank import add, build
from ovseg.cli.common import COMMAND_SETTINGS, option
from ovseg.cli.evaluate import dataset, folder
from ovseg.cli.flags import takes_flags


@dataclass(frozen=True)
class Shared:
    count: Annotated[int, option("--count", help="How many.")]
    words: Annotated[list[str], option("--words", help="Repeatable.")] = field(default_factory=list)
    quiet: Annotated[bool, option("--quiet", "-q")] = False


@dataclass(frozen=True)
class Otherwise(Shared):
    words: Annotated[list[str], option("--words", help="Other words.")] = field(default_factory=lambda: ["x"])


@takes_flags
def first(ctx: typer.Context, place: Annotated[Path, typer.Argument()], flags: Shared) -> None:
    """What it does."""
    typer.echo(f"{ctx.info_name} {place} {flags} {ctx.params['count']}")


@takes_flags
def second(
    extra: Annotated[int, option("--extra")] = 1,
    *,
    flags: Otherwise,
    last: Annotated[str, option("--last")] = "z",
) -> None:
    typer.echo(f"{extra} {flags} {last}")


def invoke(*arguments: str, **environment: str) -> Any:
    app = typer.Typer(rich_markup_mode=None)
    for command in (first, second):
        app.command(context_settings=COMMAND_SETTINGS)(command)
    return CliRunner(env=environment).invoke(app, arguments)


def test_fields_are_flags_and_come_back_as_the_dataclass() -> None:
    result = invoke("first", "here", "--count", "2", "--words", "a", "--words", "b")
    assert result.stdout == f"first here {Shared(2, ['a', 'b'])} 2\n"
    assert invoke("second", "--count", "3").stdout == f"1 {Otherwise(3, ['x'])} z\n"
    assert invoke("first", "here", "--count", "2", OVSEG_FIRST_QUIET="1").exit_code == 0


def test_a_field_without_default_must_be_given() -> None:
    result = invoke("second")
    assert result.exit_code == 2
    assert "--count" in result.stderr


def test_a_subclass_changes_a_flag_in_its_place() -> None:
    assert list(inspect.signature(second).parameters) == ["extra", "count", "words", "quiet", "last"]
    helped = invoke("second", "--help").stdout
    assert "Other words." in helped
    assert (
        helped.index("--extra") < helped.index("--count") < helped.index("--words") < helped.index("--last")
    )
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
