"""What a model is asked for."""

from __future__ import annotations

import pytest

from ovseg.errors import ConfigError, InputError
from ovseg.support.diffusion.config import DiffusionConfig
from ovseg.support.diffusion.prompting import load_prompting
from ovseg.vocabulary import ClassSpec


@pytest.mark.parametrize(
    ("spec", "text", "word"),
    [
        (ClassSpec("cat"), "a good picture of a cat", "cat"),
        (ClassSpec("apple", kind="thing"), "a good picture of an apple", "apple"),
        (ClassSpec("moss", kind="stuff"), "a good picture of moss", "moss"),
        (ClassSpec("sky"), "a good picture of sky", "sky"),  # the lexicon knows its kind
        (ClassSpec("Aeroplane"), "a good picture of an airplane", "airplane"),
        (ClassSpec("{a} good"), "a good picture of a {a} good", "{a} good"),
    ],
)
def test_shipped_patterns_give_grammatical_prompts(spec, text, word):
    prompt = load_prompting().prompt(spec, 0)
    assert prompt.text == text
    assert prompt.word == word
    assert "low quality" in prompt.negative


def test_attributes_follow_the_name():
    spec = ClassSpec("crane", attributes=("long neck", "long legs", "feathers"))
    prompt = load_prompting().prompt(spec, 0, attributes=2)
    assert prompt.text == "a good picture of a crane, long neck, long legs"
    assert prompt.word == "crane"


def test_patterns_take_turns(tmp_path):
    file = tmp_path / "prompts.toml"
    file.write_text(
        '[prompts]\nthing = ["{a} {name} outside", "one {name}"]\nstuff = ["{name}"]\nnegative = ""\n'
    )
    prompting = load_prompting(str(file))
    texts = [prompting.prompt(ClassSpec("owl"), number).text for number in range(3)]
    assert texts == ["an owl outside", "one owl", "an owl outside"]
    assert prompting.prompt(ClassSpec("owl"), 1).start == 4
    assert prompting.hash != load_prompting().hash


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[prompts", InputError),
        ("[prompts]\nthing = []\nstuff = ['{name}']\nnegative = ''", ConfigError),
        ("[prompts]\nthing = ['no name']\nstuff = ['{name}']\nnegative = ''", ConfigError),
        ("[prompts]\nthing = ['{name}']\nstuff = ['{name}']\nnegative = 3", ConfigError),
        ("[prompts]\nthing = ['{name}']\nstuff = ['{name}']", ConfigError),
        ("[prompts]\nthing = ['{name}']\nstuff = ['{name}']\nnegative = ''\n[words]\ncat = 3", ConfigError),
        ("[other]", ConfigError),
    ],
)
def test_malformed_patterns_are_refused(tmp_path, text, error):
    file = tmp_path / "prompts.toml"
    file.write_text(text)
    with pytest.raises(error):
        load_prompting(str(file))


def test_a_missing_file():
    with pytest.raises(InputError):
        load_prompting("no/such/file.toml")


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"shots": 0},
        {"scheduler": "euler"},
        {"guidance": float("nan")},
        {"size": 4},
        {"draws": 0.5},
        {"duplicate": 0.0},
        {"margin": float("inf")},
        {"seed": -1},
        {"batch_size": -1},
    ],
)
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        DiffusionConfig(**settings)
