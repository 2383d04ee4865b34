from __future__ import annotations

import pytest
import torch
from fake_encoders import ColourNames

from ovseg.config import FusionConfig
from ovseg.pipeline.text_classifier import text_classifier
from ovseg.vocabulary import ClassSpec, Vocabulary
from ovseg.vocabulary.lexicon import background_words, lexicon


def sky() -> ClassSpec:
    return next(spec for spec in lexicon() if spec.name == "sky")


def test_gaps_are_filled_and_background_words_are_groups():
    vocabulary = Vocabulary(
        (ClassSpec("tomato", kind="thing"), ClassSpec("sky")), background=("grass", "qqq")
    )
    classifier = text_classifier(vocabulary, ColourNames(), FusionConfig())
    assert [group.name for group in classifier.table.groups] == ["tomato", "sky", "grass", "qqq"]
    assert classifier.is_stuff.tolist() == [False, True, True, False]
    assert classifier.appearance[1] == sky().appearance
    assert classifier.appearance[3] == ()
    assert classifier.vocabulary is vocabulary
    assert classifier.table.classes == 2


def test_a_background_word_is_one_word_of_many():
    entry = next(spec for spec in lexicon() if spec.synonyms)
    classifier = text_classifier(
        Vocabulary((ClassSpec("tomato"),), background=(entry.name,)), ColourNames(), FusionConfig()
    )
    assert classifier.table.groups[1] == ClassSpec(entry.name, appearance=entry.appearance, kind=entry.kind)
    assert not set(entry.synonyms) & set(classifier.table.prompts)


def test_without_words_of_its_own_a_vocabulary_takes_the_shipped_ones():
    classifier = text_classifier(
        Vocabulary((ClassSpec("tomato"), ClassSpec("sky"))), ColourNames(), FusionConfig()
    )
    groups = [group.name for group in classifier.table.groups]
    assert groups[:2] == ["tomato", "sky"]
    assert set(background_words()) - set(groups) == set()
    assert groups.count("sky") == 1


def test_scores_are_of_groups_and_sum_to_one():
    vocabulary = Vocabulary(
        (ClassSpec("tomato", synonyms=("frog",)), ClassSpec("whale")), background=("qqq",)
    )
    classifier = text_classifier(vocabulary, ColourNames(), FusionConfig())
    scores = classifier.score(torch.eye(3))
    assert scores.shape == (3, 3)
    assert scores.argmax(1).tolist() == [0, 0, 1]
    torch.testing.assert_close(scores.sum(1), torch.ones(3))
    torch.testing.assert_close(classifier.class_prior, torch.tensor([0.5, 0.25, 0.25]))
    assert scores[0, 0].item() == pytest.approx(scores[1, 0].item())
