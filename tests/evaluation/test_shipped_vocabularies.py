from __future__ import annotations

from collections import Counter

import pytest

from ovseg.vocabulary import load_vocabulary, vocabulary_names


@pytest.mark.parametrize("name", vocabulary_names())
def test_no_word_means_two_classes(name):
    vocabulary = load_vocabulary(name)
    words = Counter(word.casefold() for spec in vocabulary.classes for word in spec.words)
    assert [word for word, count in words.items() if count > 1] == []
    assert not set(words) & {word.casefold() for word in vocabulary.background}


@pytest.mark.parametrize(
    "name", ["ade20k", "cityscapes", "coco-object", "coco-stuff", "context59", "context60"]
)
def test_every_class_is_a_thing_or_stuff(name):
    assert {spec.kind for spec in load_vocabulary(name).classes} <= {"thing", "stuff"}
