"""``ovseg support sample`` as a user runs it, on a tiny real pipeline."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from ovseg.cli.app import application


def ovseg(*words: object):
    return CliRunner().invoke(application(), [str(word) for word in words])


@pytest.fixture(scope="module")
def sampled(tiny_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("sampled")
    words = ("support", "sample", "-c", "cat, dog", "--model", tiny_folder, "--shots", 2, "--steps", 2)
    words += ("--generate-batch", 2, "--no-check", "-o", out)
    return out, words, ovseg(*words)


def test_sample_writes_pictures_sheets_and_decisions(sampled):
    out, _, result = sampled
    assert result.exit_code == 0, result.output
    selection = json.loads((out / "selection.json").read_text())
    assert [entry["name"] for entry in selection["classes"]] == ["cat", "dog"]
    assert selection["model"]["name"] == "tiny"
    for entry in selection["classes"]:
        assert entry["kept"] == 2
        for one in entry["pictures"]:
            with Image.open(out / one["name"]) as image:
                assert image.size == (32, 32)
            assert json.loads((out / one["name"]).with_suffix(".json").read_text())["seed"] == one["seed"]
        with Image.open(out / entry["sheet"]) as image:
            assert image.width > 2 * 256  # two pictures, each beside its attribution


def test_the_same_command_again_makes_nothing(sampled):
    out, words, _ = sampled
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    again = ovseg(*words, "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["made"] == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_class_without_pictures_is_exit_code_3(tiny_folder, tmp_path, monkeypatch):
    from ovseg.support.diffusion import source

    monkeypatch.setattr(source, "likeness", lambda one, other: 1.0)
    monkeypatch.setattr(
        "ovseg.support.diffusion.sampler._sample",
        lambda image, attribution, blank: __import__(
            "ovseg.support.diffusion.sampler", fromlist=["Sample"]
        ).Sample((image * 0).astype("uint8"), attribution, "blank"),
    )
    words = ("--model", tiny_folder, "--shots", 1, "--steps", 1, "--no-check", "-o", tmp_path)
    result = ovseg("support", "sample", "-c", "cat", *words)
    assert result.exit_code == 3
    assert "0 of 2 generated pictures kept (most often: blank)" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-c", "cat"), 2, "add -o"),
        (("-o", "out"), 2, "no classes given"),
        (("-c", "cat", "-o", "out", "--steps", "0"), 2, "steps must be at least 1"),
        (("-c", "cat", "-o", "out", "--no-check", "--model", "nothing-here"), 1, "no model"),
        (
            ("-c", "cat", "-o", "out", "--no-check", "--model", "some/body-else"),
            4,
            "hf download some/body-else",
        ),
    ],
)
def test_calls_that_make_no_sense(words, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    result = ovseg("support", "sample", *words)
    assert result.exit_code == code
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []
