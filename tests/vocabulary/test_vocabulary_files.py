from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ovseg.errors import ConfigError, InputError, UnknownName, UsageError
from ovseg.matching.appearance import PatchAppearance, appearance_evidence
from ovseg.vocabulary import ClassSpec, Vocabulary, load_vocabulary, vocabulary_names

FULL = """
title = "Pets"
description = "What lives in a flat"
has_background = false
background = ["wall", "floor"]

[[class]]
name = "cat"
kind = "thing"
synonyms = ["kitten"]
attributes = ["whiskers"]
appearance = ["colour: grey"]
negatives = ["fox"]

[[class]]
name = "rug"
"""


def written(folder: Path, text: str) -> str:
    path = folder / "pets.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_every_key_of_a_file_arrives(tmp_path: Path):
    path = written(tmp_path, FULL)
    cat = ClassSpec("cat", ("kitten",), ("whiskers",), ("colour: grey",), ("fox",), "thing")
    assert load_vocabulary(path) == Vocabulary((cat, ClassSpec("rug")), ("wall", "floor"), False, path)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("[[class]\n", InputError, "cannot read vocabulary .*pets.toml: "),
        (
            '[[class]]\nname="a"\ncolour="x"',
            ConfigError,
            "class 'a': unknown key 'colour'; known are appearance",
        ),
        ('clas = []\n[[class]]\nname="a"', ConfigError, "unknown key 'clas'; known are background, class"),
        ('[[class]]\nkind="thing"', ConfigError, r"a \[\[class\]\] has no name"),
        ("[[class]]\nname=3", ConfigError, r"a \[\[class\]\] has no name"),
        ('[[class]]\nname=" "', UsageError, "a class name is empty"),
        ('[[class]]\nname="a"\nkind="animal"', ConfigError, "kind must be 'thing' or 'stuff', not 'animal'"),
        ('[[class]]\nname="a"\nsynonyms="b"', ConfigError, "class 'a': synonyms must be a list of words"),
        (
            '[[class]]\nname="a"\nappearance=["  "]',
            ConfigError,
            "class 'a': appearance must be a list of words",
        ),
        (
            '[[class]]\nname="a"\nappearance=["place: left"]',
            ConfigError,
            "class 'a': appearance: 'place: left' needs words of top, middle, bottom",
        ),
        ('background=[1]\n[[class]]\nname="a"', ConfigError, "background must be a list of words"),
        ('has_background="no"\n[[class]]\nname="a"', ConfigError, "has_background must be true or false"),
        ('class=["a"]', ConfigError, r"classes must be given as \[\[class\]\] tables"),
        ("", UsageError, "no classes given"),
        ('[[class]]\nname="a"\n[[class]]\nname="A"', UsageError, "class 'A' is given twice"),
    ],
)
def test_surprises_in_a_file_are_told_in_one_line(tmp_path: Path, text, kind, message):
    with pytest.raises(kind, match=message) as caught:
        load_vocabulary(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_name_that_is_neither_shipped_nor_a_file():
    with pytest.raises(
        UnknownName, match=r"^unknown vocabulary 'voc22': give a TOML file or one of ade20k, "
    ):
        load_vocabulary("voc22")


@pytest.mark.parametrize("name", vocabulary_names())
def test_shipped_vocabularies_load_and_their_looks_are_words(name):
    vocabulary = load_vocabulary(name)
    assert vocabulary.source == name
    assert len(vocabulary) >= 19
    assert len(set(vocabulary.names)) == len(vocabulary) + 1
    one = PatchAppearance(torch.full((1, 11), 1 / 11), torch.full((1, 3), 1 / 3), torch.full((1, 3), 1 / 3))
    evidence = appearance_evidence(one, [spec.appearance for spec in vocabulary.classes])
    assert evidence.shape == (1, len(vocabulary))


def test_shipped_vocabularies_differ():
    hashes = [load_vocabulary(name).hash for name in vocabulary_names()]
    assert len(set(hashes)) == len(hashes) >= 9


def test_the_hash_is_of_the_content_and_not_of_its_source():
    cat = ClassSpec("cat")
    base = Vocabulary((cat, ClassSpec("dog")), ("wall",))
    assert replace(base, source="elsewhere").hash == base.hash
    changed = [
        replace(base, background=()),
        base.without_background(),
        replace(base, classes=base.classes[::-1]),
        *(
            replace(base, classes=(replace(cat, **{key: (word,)}), base.classes[1]))
            for key, word in (
                ("synonyms", "x"),
                ("attributes", "x"),
                ("appearance", "colour: red"),
                ("negatives", "x"),
            )
        ),
        replace(base, classes=(replace(cat, kind="stuff"), base.classes[1])),
    ]
    assert len({base.hash, *(v.hash for v in changed)}) == len(changed) + 1


def test_names_begin_with_the_background():
    vocabulary = Vocabulary((ClassSpec("cat"), ClassSpec("dog")))
    assert vocabulary.names == ("background", "cat", "dog")
    assert vocabulary.without_background().names == vocabulary.names
    assert len(vocabulary) == 2


def test_words_are_the_name_and_its_synonyms_once():
    assert ClassSpec("sofa", ("couch", "sofa")).words == ("sofa", "couch")


def test_values_are_checked():
    with pytest.raises(UsageError, match="kind must be 'thing' or 'stuff', not 'animal'"):
        ClassSpec("cat", kind="animal")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no classes given: name them, as in"):
        Vocabulary(())
    with pytest.raises(UsageError, match="a class is named background, which is label 0"):
        Vocabulary((ClassSpec("Background"), ClassSpec("cat")))
    assert len(Vocabulary((ClassSpec("background"),), has_background=False)) == 1


def test_a_vocabulary_file_that_is_missing_is_no_unknown_name(tmp_path: Path):
    with pytest.raises(UnknownName, match=r"^no such vocabulary file: .*gone\.toml$"):
        load_vocabulary(str(tmp_path / "gone.toml"))
