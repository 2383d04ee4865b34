"""``ovseg pool`` as a user runs it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pool_fakes import fake_card, paint
from typer.testing import CliRunner

from ovseg.cli.app import application


@pytest.fixture(autouse=True)
def _fake_preset(monkeypatch):
    import ovseg.encoders.presets as presets

    card = fake_card()
    monkeypatch.setattr(presets, "choose_preset", lambda *_, **__: card)


def ovseg(*arguments: object) -> Any:
    return CliRunner().invoke(application(), [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def pool(photos, tmp_path):
    result = ovseg("pool", "build", photos, "-o", tmp_path / "x.pool", "-q")
    assert (result.exit_code, result.stdout.strip()) == (3, str(tmp_path / "x.pool"))
    return tmp_path / "x.pool"


def test_build_says_what_came_of_it(photos, tmp_path):
    result = ovseg("pool", "build", photos, "-o", tmp_path / "x.pool", "--licence", "CC0", "--json")
    assert result.exit_code == 3
    metadata = json.loads(result.stdout)
    assert (metadata["photos"], metadata["encoded"], metadata["removed"]) == (7, 7, 0)
    assert metadata["licences"] == {"CC0": 7}
    assert [entry["file"] for entry in metadata["failed"]] == ["broken.jpg"]
    assert "failed: cannot read" in result.stderr
    (photos / "broken.jpg").unlink()
    again = ovseg("pool", "build", photos, "-o", tmp_path / "x.pool")
    assert again.exit_code == 0
    assert "7 of 7 images are done already" in again.stderr
    assert "7 photos are in the pool, 0 of them encoded now; 0 are gone" in again.stderr


def test_licences_beside_the_photos(photos, tmp_path):
    (photos / "licences.csv").write_text("name,licence\nblue,CC-BY-4.0\nred-3.png,CC0\n")
    result = ovseg("pool", "build", photos, "-o", tmp_path / "x.pool", "-q", "--json")
    assert json.loads(result.stdout)["licences"] == {"CC-BY-4.0": 1, "unknown": 5, "CC0": 1}
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    bad = ovseg("pool", "build", photos, "-o", tmp_path / "y.pool", "--licences", tmp_path / "bad.csv")
    assert bad.exit_code == 1
    assert "it needs the columns file and licence" in bad.stderr


def test_search_prints_a_table(pool):
    result = ovseg("pool", "search", pool, "a red thing", "-k", 2)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [(row[0], row[3]) for row in rows] == [("1", "red-1.png"), ("2", "red-2.png")]
    assert "rank  cosine   prob.  photo\n" in result.stderr
    assert all(re.fullmatch(r"-?\d\.\d{3}", cell) for row in rows for cell in row[1:3])


def test_search_as_json_says_what_was_left_out(pool):
    result = ovseg("pool", "search", pool, "red", "-k", 20, "--json")
    found = json.loads(result.stdout)
    assert [entry["file"] for entry in found["results"]] == ["red-1.png", "red-2.png", "sub/red-3.png"]
    assert {entry["reason"] for entry in found["left_out"]} == {"off topic"}
    assert "left out: 4 off topic" in result.stderr
    assert found["index"]["kind"] == "flat"
    everything = json.loads(ovseg("pool", "search", pool, "red", "--all", "--json").stdout)
    assert (len(everything["results"]), everything["left_out"]) == (7, [])


def test_search_by_a_picture(pool, tmp_path):
    paint(tmp_path / "green.png", (20, 240, 20))
    result = ovseg("pool", "search", pool, "--image", tmp_path / "green.png", "-k", 1, "--json")
    assert json.loads(result.stdout)["results"][0]["file"] == "green-1.png"


def test_search_with_lists_and_rivals(pool, tmp_path):
    (tmp_path / "deny.txt").write_text("# too pure\nred-1.png\n")
    result = ovseg("pool", "search", pool, "red", "--deny", tmp_path / "deny.txt", "-k", 1)
    assert "red-2.png" in result.stdout
    (tmp_path / "allow.txt").write_text("sub/*\n")
    result = ovseg("pool", "search", pool, "red", "--allow", tmp_path / "allow.txt")
    assert [line.split()[3] for line in result.stdout.splitlines()] == ["sub/red-3.png"]
    rival = ovseg("pool", "search", pool, "orange", "-r", "green, red", "-k", 3)
    assert "red-1.png" not in rival.stdout
    assert "red-1.png" in ovseg("pool", "search", pool, "orange", "-k", 3).stdout


def test_the_page_shows_photos_and_nothing_of_theirs_is_markup(photos, tmp_path):
    paint(photos / "<b>red&.png", (250, 5, 5), seed=9)
    ovseg("pool", "build", photos, "-o", tmp_path / "x.pool", "-q")
    (photos / "red-2.png").unlink()
    page = tmp_path / "found.html"
    result = ovseg("pool", "search", tmp_path / "x.pool", "red <i>", "--html", page)
    assert result.exit_code == 0
    text = page.read_text()
    assert "<h1>red &lt;i&gt;</h1>" in text
    assert "&lt;b&gt;red&amp;.png" in text
    assert "<b>" not in text
    assert text.count('<img src="data:image/jpeg;base64,') == 3 + 4
    assert text.count("cannot be read") == 1
    assert "http:" not in text
    assert "https:" not in text


def test_info_tells_what_is_in_a_pool(pool):
    metadata = json.loads(ovseg("pool", "info", pool, "--json").stdout)
    assert (metadata["photos"], metadata["views"], metadata["crops"], metadata["preset"]) == (7, 7, 0, "fake")
    text = ovseg("pool", "info", pool).stdout
    assert "photos: 7\n" in text
    assert "encoder: mean colour (000000000000), 16 px\n" in text
    assert "licences: unknown: 7\n" in text
    assert "failed: broken.jpg (cannot read " in text
    assert not re.search(r"[{}\[\]]", text)


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["search", "POOL"], 2, "say what to look for"),
        (["search", "POOL", "red", "--image", "x.png"], 2, "one of the two"),
        (["search", "POOL", " "], 2, "the text is empty"),
        (["search", "POOL", "red", "-k", "0"], 2, "-k must be at least 1"),
        (["search", "none.pool", "red"], 1, "cannot read none.pool: No such file"),
        (["search", "POOL", "--image", "none.png"], 1, "cannot read none.png"),
        (["search", "POOL", "red", "--deny", "none.txt"], 1, "cannot read list none.txt"),
        (["search", "POOL", "red", "--html", "x.html", "--photos", "a", "--photos", "b"], 2, "has 1 folders"),
        (["info", "none.pool"], 1, "cannot read none.pool"),
        (["build", "nowhere", "-o", "x.pool"], 2, "no such file or folder"),
        (["build", "PHOTOS", "-o", "x.pool", "--crops", "3"], 2, "crops must be 0, 4, 9 or 16"),
    ],
)
def test_what_makes_no_sense_ends_in_one_line(arguments, code, line, pool, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = {"POOL": pool, "PHOTOS": photos}
    result = ovseg("pool", *(known.get(a, a) for a in arguments))
    assert result.exit_code == code
    errors = [text for text in result.stderr.splitlines() if text.startswith("error: ")]
    assert len(errors) == 1
    assert line in errors[0]


def test_a_pool_of_another_encoder(pool, monkeypatch):
    monkeypatch.setenv("FAKE_ABOUT", "other eyes")
    result = ovseg("pool", "search", pool, "red")
    assert result.exit_code == 1
    assert "made by another encoder" in result.stderr
