"""Filling in from the lexicon, with a text encoder whose similarities are given."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ovseg.matching.appearance import PatchAppearance, appearance_evidence
from ovseg.vocabulary import ClassSpec
from ovseg.vocabulary.lexicon import NEAREST, background_words, enrich, lexicon


class Texts:
    """Every text is alike to itself only; those in ``near`` have a given similarity to another text."""

    def __init__(self, **near: tuple[str, float]) -> None:
        self.near = near
        self.axes: dict[str, int] = {}
        self.calls: list[str] = []

    def _axis(self, text: str) -> np.ndarray:
        vector = np.zeros(400, np.float32)
        vector[self.axes.setdefault(text, len(self.axes))] = 1
        return vector

    def __call__(self, texts):
        self.calls += texts
        rows = []
        for text in texts:
            if text in self.near:
                other, cosine = self.near[text]
                rows.append(cosine * self._axis(other) + math.sqrt(1 - cosine**2) * self._axis(text))
            else:
                rows.append(self._axis(text))
        return np.stack(rows)


def entry(name: str) -> ClassSpec:
    return next(spec for spec in lexicon() if spec.name == name)


def test_a_word_of_the_lexicon_takes_everything_it_says():
    texts = Texts()
    (sky,) = enrich([ClassSpec("Sky")], texts)
    assert sky == ClassSpec("Sky", (), entry("sky").attributes, entry("sky").appearance, (), "stuff")
    assert texts.calls == []


def test_a_synonym_leads_to_its_entry_from_either_side():
    fog = entry("fog")
    by_entry, by_user = enrich([ClassSpec("mist"), ClassSpec("Nebel", ("fog",))], Texts())
    assert (by_entry.kind, by_entry.appearance) == (fog.kind, fog.appearance)
    assert (by_user.kind, by_user.appearance) == (fog.kind, fog.appearance)
    assert by_user.synonyms == ("fog",)


def test_a_near_word_lends_kind_and_looks_but_no_attributes():
    source = next(spec for spec in lexicon() if spec.attributes and spec.kind)
    (found,) = enrich([ClassSpec("qqq")], Texts(qqq=(source.name, NEAREST + 0.01)))
    assert found == ClassSpec("qqq", appearance=source.appearance, kind=source.kind)


def test_a_word_that_is_not_near_enough_stays_as_it_is():
    spec = ClassSpec("qqq")
    assert enrich([spec], Texts(qqq=("sky", NEAREST - 0.01))) == (spec,)


def test_what_the_user_has_given_stays():
    given = ClassSpec("sky", (), ("my sky",), ("colour: pink",), ("sea",), "thing")
    assert enrich([given], Texts()) == (given,)


def test_each_class_gets_its_own_and_order_is_kept():
    texts = Texts(aaa=("grass", 0.9), ccc=("snow", 0.9))
    found = enrich([ClassSpec(n) for n in ("aaa", "sky", "bbb", "ccc")], texts)
    assert [spec.name for spec in found] == ["aaa", "sky", "bbb", "ccc"]
    assert [spec.appearance for spec in found] == [
        entry("grass").appearance,
        entry("sky").appearance,
        (),
        entry("snow").appearance,
    ]
    assert enrich([], texts) == ()


def test_no_word_of_the_lexicon_has_two_entries():
    words = [word.casefold() for spec in lexicon() for word in spec.words]
    assert sorted(word for word in set(words) if words.count(word) > 1) == []


@pytest.mark.parametrize("spec", lexicon(), ids=lambda spec: spec.name)
def test_the_looks_of_the_lexicon_are_words_that_pixels_can_be_asked_for(spec):
    one = PatchAppearance(torch.full((1, 11), 1 / 11), torch.full((1, 3), 1 / 3), torch.full((1, 3), 1 / 3))
    # Of a cell that looks like nothing in particular no saying can be told from no saying.
    assert appearance_evidence(one, [spec.appearance]).item() == pytest.approx(0, abs=1e-5)
    assert spec.kind is not None


def test_background_words_are_distinct():
    words = background_words()
    assert len(set(words)) == len(words) > 20
