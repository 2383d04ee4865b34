"""Banks joined, narrowed, and compared with the encoders at hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bank_doubles import IDENTITY, TEXT_IDENTITY, axis, same, small_bank, view

from ovseg.errors import BankMismatch, UsageError
from ovseg.prototypes import (
    PrototypeConfig,
    check_fingerprints,
    class_bank,
    merge_banks,
    select_classes,
    without_classes,
)
from ovseg.vocabulary import ClassSpec

CONFIG = PrototypeConfig(parts=2)
OTHER = IDENTITY | {"encoder": {"name": "other-vit", "sha256": "ef" * 32}}


def dog_bank():
    return class_bank(ClassSpec("dog"), [view(axis(3), axis(5), "dog.jpg", 9)], {"look": IDENTITY}, CONFIG)


def vectors_of(bank, name: str):
    """Vectors of a class with the image and region that each points at."""
    place = [spec.name for spec in bank.classes].index(name)
    table = bank.tables["look"]
    found = []
    for row in np.flatnonzero(table.classes == place):
        region = bank.regions[table.regions[row]]
        found.append(
            (
                table.vectors[row].tobytes(),
                bank.supports[region.support].origin["name"],
                region.mask.tobytes(),
            )
        )
    return found


def test_joined_classes_keep_their_prototypes_and_regions():
    joined = merge_banks([small_bank(), dog_bank()])
    assert [spec.name for spec in joined.classes] == ["cat", "wall", "dog"]
    assert vectors_of(joined, "cat") == vectors_of(small_bank(), "cat")
    assert vectors_of(joined, "dog") == vectors_of(dog_bank(), "dog")
    assert joined.metadata["merged"][0]["made"] == "by hand"
    assert [joined.classes[r.class_index].name for r in joined.supports] == ["cat", "cat", "wall", "dog"]


def test_classes_of_one_name_become_one():
    more = class_bank(
        ClassSpec("Cat", synonyms=("tabby",), kind="thing"),
        [view(axis(1), axis(5), "x.jpg")],
        {"look": IDENTITY},
        CONFIG,
    )
    joined = merge_banks([small_bank(), more])
    assert joined.classes[0] == ClassSpec("cat", ("kitten", "Cat", "tabby"), ("whiskers",), kind="thing")
    assert vectors_of(joined, "cat") == vectors_of(small_bank(), "cat") + vectors_of(more, "Cat")


def test_joining_other_encoders_is_refused_by_name():
    other = class_bank(ClassSpec("dog"), [view(axis(3), axis(5))], {"look": OTHER}, CONFIG)
    with pytest.raises(BankMismatch, match=r"fake-vit.*other-vit"):
        merge_banks([small_bank(), other])


def test_removing_undoes_adding():
    joined = merge_banks([small_bank(), dog_bank()], metadata=small_bank().metadata)
    same(without_classes(joined, ["dog"]), merge_banks([small_bank()], metadata=small_bank().metadata))
    rest = without_classes(joined, ["kitten", "wall"])
    assert [spec.name for spec in rest.classes] == ["dog"]
    assert vectors_of(rest, "dog") == vectors_of(dog_bank(), "dog")
    assert [r.origin["name"] for r in rest.supports] == ["dog.jpg"]
    assert len(rest.tables["text"]) == 0


def test_classes_are_reordered_with_their_texts():
    turned = select_classes(small_bank(), [1, 0])
    assert [spec.name for spec in turned.classes] == ["wall", "cat"]
    texts = turned.tables["text"]
    by_text = {texts.texts[row]: int(texts.classes[row]) for row in range(len(texts))}
    assert by_text == {"cat": 1, "kitten": 1, "whiskers": 1, "wall": 0}
    assert vectors_of(turned, "cat") == vectors_of(small_bank(), "cat")


@pytest.mark.parametrize(
    ("names", "why"), [(["dog"], "no class dog"), (["cat", "wall"], "no class would be left")]
)
def test_what_cannot_be_removed(names, why):
    with pytest.raises(UsageError, match=why):
        without_classes(small_bank(), names)


def test_encoders_are_checked_and_both_named():
    bank = small_bank()
    fitting = check_fingerprints(bank, {"look": IDENTITY, "text": TEXT_IDENTITY, "more": OTHER})
    assert set(fitting) == {"look", "text"}
    assert set(check_fingerprints(bank, {"look": IDENTITY})) == {"look"}
    with pytest.raises(
        BankMismatch, match=r"look was made by fake-vit layer 9.*abab.*here it is other-vit.*efef"
    ):
        check_fingerprints(bank, {"look": OTHER})
    with pytest.raises(BankMismatch, match=r"look of fake-vit.*the preset has clip of other-vit"):
        check_fingerprints(bank, {"clip": replace_name(OTHER)})
    with pytest.raises(BankMismatch, match="the preset has none"):
        check_fingerprints(bank, {})


def replace_name(identity):
    return identity | {"name": "clip"}


def test_banks_without_a_space_join_with_those_that_have_it():
    bank = small_bank()
    texts = replace(bank, tables={"text": bank.tables["text"]}, supports=(), regions=())
    joined = merge_banks([texts, dog_bank()])
    assert set(joined.tables) == {"text", "look"}
    assert vectors_of(joined, "dog") == vectors_of(dog_bank(), "dog")
