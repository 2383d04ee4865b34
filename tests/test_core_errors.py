from __future__ import annotations

import pytest

from ovseg.cli.common import print_error, with_flags
from ovseg.errors import ConfigError, OutputError, OvsegError, UsageError, suggestion


@pytest.mark.parametrize(
    ("line", "parameters", "shown"),
    [
        ("give another file, or overwrite=True", ["overwrite"], "give another file, or --overwrite"),
        ("background=True or background=False", ["background"], "--background or --no-background"),
        ("use device='auto', please", ["device"], "use --device auto, please"),
        ("the source folder needs support=", ["support"], "the source folder needs --support"),
        ("add image_text_encoder= or x", ["image_text_encoder"], "add --image-text-encoder or x"),
        ("overwrite= and shard= exclude", ["overwrite", "shard"], "--overwrite and --shard exclude"),
        ("name=word,word; my_overwrite=True", ["overwrite"], "name=word,word; my_overwrite=True"),
        ("nothing to advise: a=b", [], "nothing to advise: a=b"),
    ],
)
def test_the_command_line_shows_flags_for_parameters(line: str, parameters: list[str], shown: str) -> None:
    error = UsageError(line, parameters=parameters)
    assert str(error) == line
    assert error.parameters == tuple(parameters)
    assert with_flags(error) == shown


def test_an_error_is_printed_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(OutputError("a\nb: overwrite=True", parameters=["overwrite"]))
    print_error("as it is: overwrite=True")
    assert capsys.readouterr().err == "error: a\\nb: --overwrite\nerror: as it is: overwrite=True\n"


def test_errors_keep_their_exit_codes_and_need_no_parameters() -> None:
    assert OvsegError("x").parameters == ()
    assert (OvsegError.exit_code, ConfigError.exit_code) == (1, 2)


def test_suggestions_are_the_nearest_names() -> None:
    assert suggestion("Catt", ["cat", "dog"]) == "did you mean cat?"
    assert suggestion("zebra", ["cat", "dog"]) == "there is cat, dog"
