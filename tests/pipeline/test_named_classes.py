from __future__ import annotations

import pytest
import torch
from fake_encoders import ColourNames

from ovseg.pipeline.names import NamedClasses
from ovseg.vocabulary import ClassSpec, Vocabulary
from ovseg.vocabulary.lexicon import background_words, lexicon


def sky() -> ClassSpec:
    return next(spec for spec in lexicon() if spec.name == "sky")


def test_gaps_are_filled_and_background_words_are_groups():
    vocabulary = Vocabulary(
        (ClassSpec("tomato", kind="thing"), ClassSpec("sky")), background=("grass", "qqq")
    )
    named = NamedClasses.prepare(vocabulary, ColourNames())
    assert [group.name for group in named.table.groups] == ["tomato", "sky", "grass", "qqq"]
    assert named.is_stuff.tolist() == [False, True, True, False]
    assert named.looks[1] == sky().looks
    assert named.looks[3] == ()
    assert named.vocabulary is vocabulary
    assert named.table.classes == 2


def test_a_background_word_is_one_word_of_many():
    entry = next(spec for spec in lexicon() if spec.synonyms)
    named = NamedClasses.prepare(Vocabulary((ClassSpec("tomato"),), background=(entry.name,)), ColourNames())
    assert named.table.groups[1] == ClassSpec(entry.name, looks=entry.looks, kind=entry.kind)
    assert not set(entry.synonyms) & set(named.table.prompts)


def test_without_words_of_its_own_a_vocabulary_takes_the_shipped_ones():
    named = NamedClasses.prepare(Vocabulary((ClassSpec("tomato"), ClassSpec("sky"))), ColourNames())
    groups = [group.name for group in named.table.groups]
    assert groups[:2] == ["tomato", "sky"]
    assert set(background_words()) - set(groups) == set()
    assert groups.count("sky") == 1


def test_scores_are_of_groups_and_sum_to_one():
    vocabulary = Vocabulary(
        (ClassSpec("tomato", synonyms=("frog",)), ClassSpec("whale")), background=("qqq",)
    )
    named = NamedClasses.prepare(vocabulary, ColourNames())
    scores = named.score(torch.eye(3))
    assert scores.shape == (3, 3)
    assert scores.argmax(1).tolist() == [0, 0, 1]
    torch.testing.assert_close(scores.sum(1), torch.ones(3))
    torch.testing.assert_close(named.chance, torch.tensor([0.5, 0.25, 0.25]))
    assert scores[0, 0].item() == pytest.approx(scores[1, 0].item())
