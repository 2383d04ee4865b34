"""``ovseg bank`` as a user runs it, with encoders of colours in place of the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_encoders import fake_card
from support_photos import mask, photo, support_folder
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.cli.bank_options import BuildFlags
from ovseg.encoders import presets
from ovseg.errors import UsageError
from ovseg.pipeline import sources
from ovseg.prototypes import load_bank
from ovseg.support.config import BankConfig
from ovseg.support.pool.config import RetrievalConfig
from ovseg.version import __version__

Invoke = Callable[..., Any]
SMALL = ("--image-size", 64, "--parts", 4)
NAMES = "tomato; green frog=frog"


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    card = fake_card()
    monkeypatch.setattr(presets, "choose_preset", lambda *_, **__: card)

    def invoke(*arguments: object) -> Any:
        return CliRunner().invoke(
            application(), ["bank", *(str(a) for a in arguments)], catch_exceptions=False
        )

    return invoke


@pytest.fixture
def support(tmp_path: Path) -> Path:
    return support_folder(tmp_path / "support")


@pytest.fixture
def made(bank: Invoke, support: Path, tmp_path: Path) -> Path:
    out = tmp_path / "pets.bank"
    assert bank("build", "--support", support, "-o", out, *SMALL).exit_code == 0
    return out


def test_build_says_what_it_found_and_where_the_bank_is(bank: Invoke, support: Path, tmp_path: Path) -> None:
    out = tmp_path / "pets.bank"
    flags = ("-c", NAMES, "--source", "folder", "--support", support, "-o", out, *SMALL)
    result = bank("build", *flags)
    assert result.exit_code == 0
    assert result.stdout == f"{out}\n"
    assert "[1/2] tomato: 2 of 2 images used" in result.stderr
    assert "[2/2] green frog: 2 of 2 images used" in result.stderr
    assert [spec.name for spec in load_bank(out).classes] == ["tomato", "green frog"]
    assert (tmp_path / "pets.bank.sheets" / "index.html").is_file()
    assert f"what was found in each picture: {out}.sheets/index.html\n" in result.stderr
    again = bank("build", *flags)
    assert again.exit_code == 0
    assert "2 of 2 classes were done already" in again.stderr


@pytest.mark.parametrize("source", ["retrieval", "auto"])
def test_the_margin_of_retrieval_reaches_the_source(
    bank: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    calls: list[Any] = []

    def opened(name: str, *_: Any, **settings: Any) -> None:
        calls.append((name, settings["config"].margin))
        raise UsageError("seen")

    monkeypatch.setattr(sources, "open_source", opened)
    flags = ("--source", source, "--pool", tmp_path / "x.pool", "-c", "tomato", "-o", tmp_path / "x.bank")
    assert bank("build", *flags).exit_code == 2
    assert bank("build", *flags, "--retrieval-margin", 1.5).exit_code == 2
    assert calls == [(source, RetrievalConfig().margin), (source, 1.5)]


def test_folders_name_the_classes_where_none_are_given(made: Path) -> None:
    assert [spec.name for spec in load_bank(made).classes] == ["Green Frog", "tomato"]


def test_a_class_without_support_ends_with_code_3(bank: Invoke, support: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.bank"
    result = bank("build", "-c", f"{NAMES}; whale", "--support", support, "-o", out, "--json", *SMALL)
    assert result.exit_code == 3
    about = json.loads(result.stdout)
    assert about["unsupported"] == ["whale"]
    assert [entry["used"] for entry in about["classes"]] == [2, 2, 0]
    assert "no support for whale" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("-c", "tomato", "--support", "SUPPORT", "-o", "x.bank"), 2, "Green_Frog matches no class"),
        (("-c", "tomato", "-o", "x.bank"), 2, "the source folder needs --support"),
        (("--support", "SUPPORT"), 2, "no output given"),
        (("-o", "x.bank"), 2, "no classes given"),
        (("--source", "magic", "-c", "tomato", "-o", "x.bank"), 2, "unknown support source 'magic'"),
        (("--support", "SUPPORT", "-o", "x.bank", "--clean", "2"), 2, "clean must be a cosine"),
        (
            ("--support", "SUPPORT", "-o", "x.bank", "--deny", "missing.txt"),
            1,
            "cannot read list missing.txt",
        ),
        (("--support", "missing", "-o", "x.bank"), 1, "cannot list folder missing"),
    ],
)
def test_wrong_calls_end_in_one_line(
    bank: Invoke,
    support: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Any,
    code: int,
    why: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"SUPPORT": support, "x.bank": tmp_path / "x.bank"}
    result = bank("build", *(places.get(argument, argument) for argument in arguments))
    assert result.exit_code == code
    assert result.stdout == ""
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert why in line
    loaded = why == "Green_Frog matches no class"  # the only one for which folders have to be looked into
    assert ("preset fake" in result.stderr) == loaded, "what is wrong with a call is said before models load"
    assert not (tmp_path / "x.bank").exists()


def test_lists_are_read_from_files(bank: Invoke, support: Path, tmp_path: Path) -> None:
    deny = tmp_path / "deny.txt"
    deny.write_text("# not these\n*/b.png\n\n")
    assert (
        bank("build", "--support", support, "-o", tmp_path / "x.bank", "--deny", deny, *SMALL).exit_code == 0
    )
    names = [record.origin["name"] for record in load_bank(tmp_path / "x.bank").supports]
    assert names == ["Green_Frog/a.png", "tomato/a.png"]


def test_names_of_the_environment_keep_their_spaces(
    bank: Invoke, support: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVSEG_CLASSES", NAMES)
    monkeypatch.setenv("OVSEG_SET", "prototypes.parts=4 prototypes.seed=3")
    monkeypatch.setenv("OVSEG_JSON", "1")
    result = bank("build", "--support", support, "-o", tmp_path / "x.bank", *SMALL)
    assert [entry["name"] for entry in json.loads(result.stdout)["classes"]] == ["tomato", "green frog"]
    made = load_bank(tmp_path / "x.bank").metadata["settings"]["prototypes"]
    assert (made["parts"], made["seed"]) == (4, 3)


def test_info_knows_who_made_the_parts_of_a_merged_bank(bank: Invoke, made: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.bank"
    assert bank("merge", made, made, "-o", both).exit_code == 0
    assert f"made by ovseg {__version__}, preset fake, 2 banks merged\n" in bank("info", both).stdout


def test_info_tells_a_person_and_a_program(bank: Invoke, made: Path) -> None:
    text = bank("info", made).stdout
    assert "2 classes" in text
    assert "support images by source: folder: 3" in text
    assert "support images by licence: CC0: 3" in text
    assert f"made by ovseg {__version__}, preset fake\n" in text
    assert "green frog: 1 support image, " in text.casefold()
    about = json.loads(bank("info", made, "--json").stdout)
    assert [entry["name"] for entry in about["classes"]] == ["Green Frog", "tomato"]
    assert [entry["supports"] for entry in about["classes"]] == [1, 2]
    spaces = {space["space"]: space for space in about["spaces"]}
    assert set(spaces) == {"colours", "text", "words"}
    table = load_bank(made).tables["colours"]
    assert spaces["colours"]["foreground"] == int(table.foreground.sum())


def test_merge_remove_and_add(bank: Invoke, made: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    mask(photo(more / "whale" / "w.png", "whale", (16, 16, 48, 48)), (16, 16, 48, 48))
    other = tmp_path / "sea.bank"
    assert bank("build", "--support", more, "-o", other, *SMALL).exit_code == 0
    both = tmp_path / "both.bank"
    assert bank("merge", made, other, "-o", both).stdout == f"{both}\n"
    assert [spec.name for spec in load_bank(both).classes] == ["Green Frog", "tomato", "whale"]
    assert "is there already" in bank("merge", made, other, "-o", both).stderr

    before = made.read_bytes()
    less = tmp_path / "less.bank"
    assert bank("remove", both, "--classes", "whale, tomato", "-o", less).exit_code == 0
    assert [spec.name for spec in load_bank(less).classes] == ["Green Frog"]
    assert bank("remove", both, "--classes", "whale").exit_code == 0
    assert [spec.name for spec in load_bank(both).classes] == ["Green Frog", "tomato"]
    assert "the bank has no class dog" in bank("remove", both, "--classes", "dog").stderr

    larger = tmp_path / "larger.bank"
    result = bank("add", made, "--support", more, "-o", larger, *SMALL)
    assert result.exit_code == 0
    assert [spec.name for spec in load_bank(larger).classes] == ["Green Frog", "tomato", "whale"]
    assert made.read_bytes() == before
    assert bank("add", made, "--support", more, *SMALL).exit_code == 0
    assert made.read_bytes() == larger.read_bytes()


def test_export_is_read_back_by_numpy_and_json(
    bank: Invoke, made: Path, support: Path, tmp_path: Path
) -> None:
    out = tmp_path / "open"
    assert bank("export", made, "-o", out, "--photos", support).exit_code == 0
    table = load_bank(made).tables["colours"]
    with np.load(out / "bank.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["colours/vectors"], table.vectors)
        np.testing.assert_array_equal(arrays["colours/classes"], table.classes)
        assert len(arrays["regions/supports"]) == len(load_bank(made).regions)
    about = json.loads((out / "bank.json").read_text())
    assert about["support_images"][0]["origin"]["name"] == "Green_Frog/a.png"
    page = (out / "support.html").read_text()
    assert page.count("data:image/jpeg") == 3
    assert "tomato: tomato/a.png" in page
    assert "is there already" in bank("export", made, "-o", out).stderr
    first = (out / "bank.npz").read_bytes()
    assert bank("export", made, "-o", out, "--overwrite").exit_code == 0
    assert (out / "bank.npz").read_bytes() == first


@pytest.mark.parametrize("command", ["info", "merge", "remove", "export", "add"])
def test_a_damaged_bank_is_one_line_everywhere(
    bank: Invoke, made: Path, tmp_path: Path, command: str
) -> None:
    bad = tmp_path / "bad.bank"
    bad.write_bytes(made.read_bytes()[:-9])
    arguments = {
        "info": (bad,),
        "merge": (made, bad, "-o", tmp_path / "m.bank"),
        "remove": (bad, "--classes", "tomato"),
        "export": (bad, "-o", tmp_path / "e"),
        "add": (bad, "-c", "x", "--support", tmp_path),
    }[command]
    result = bank(command, *arguments)
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("error: ")


def test_defaults_of_flags_are_those_of_the_settings() -> None:
    from ovseg.cli.bank import _config

    assert _config(BuildFlags()) == BankConfig()
    changed = _config(BuildFlags(assignments=["prototypes.merge=1.0", "support.text=0.3"]))
    assert (changed.prototypes.merge, changed.support.text) == (1.0, 0.3)
