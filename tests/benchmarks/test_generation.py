"""The timing of generation on a tiny real pipeline."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from benchmarks.commands import app


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_times_the_network_and_what_is_around_it(tiny_folder):
    words = ("--images", 2, "--steps", 2, "--rounds", 1, "--threads", 1, "--json")
    result = run("generation", "--model", tiny_folder, *words)
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert (row["images"], row["batch"], row["steps"]) == (2, 1, 2)
    assert 0 < row["network"] < row["seconds"]
    assert row["outside"] == pytest.approx(1 - row["network"] / row["seconds"])


@pytest.mark.parametrize(
    "words",
    [(), ("--model", "x", "--random", "small"), ("--random", "huge"), ("--random", "small", "--images", 0)],
)
def test_calls_that_make_no_sense(words):
    assert run("generation", *words).exit_code == 2
