from __future__ import annotations

import torch

from ovseg.matching.prompts import prompt_table
from ovseg.vocabulary import ClassSpec, Vocabulary

CAT = ClassSpec("cat", synonyms=("kitten",), attributes=("whiskers",), negatives=("fox", "dog"), kind="thing")
DOG = ClassSpec("dog", synonyms=("puppy",), attributes=("whiskers", "collar"))


def test_names_synonyms_and_attributes_belong_to_their_class():
    table = prompt_table(Vocabulary((CAT, DOG)), [])
    assert table.prompts == ("cat", "kitten", "whiskers", "dog", "puppy", "collar", "fox")
    assert table.owners.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert table.classes == 2
    assert table.target_count == 6


def test_a_text_that_two_claim_goes_to_the_first():
    table = prompt_table(Vocabulary((DOG, CAT)), [])
    assert dict(zip(table.prompts, table.owners.tolist(), strict=True))["whiskers"] == 0


def test_negatives_and_background_words_are_groups_of_their_own():
    wall = ClassSpec("wall", kind="stuff", appearance=("colour: white",))
    table = prompt_table(
        Vocabulary((CAT, DOG)), [wall, ClassSpec("kitten"), ClassSpec("fox"), ClassSpec("sea")]
    )
    assert table.groups == (CAT, DOG, ClassSpec("fox", kind="thing"), wall, ClassSpec("sea"))
    assert dict(zip(table.prompts, table.owners.tolist(), strict=True)) == {
        "cat": 0,
        "kitten": 0,
        "whiskers": 0,
        "dog": 1,
        "puppy": 1,
        "collar": 1,
        "fox": 2,
        "wall": 3,
        "sea": 4,
    }


def test_probabilities_of_a_group_are_summed():
    table = prompt_table(Vocabulary((CAT, DOG)), [ClassSpec("wall")])
    probabilities = torch.arange(1.0, 9.0) / 36
    expected = torch.tensor([1 + 2 + 3, 4 + 5 + 6, 7, 8]) / 36
    torch.testing.assert_close(table.by_group(probabilities), expected)
    batch = torch.stack([probabilities, probabilities.flip(0)]).reshape(1, 2, 8)
    assert table.by_group(batch).shape == (1, 2, 4)
    torch.testing.assert_close(table.by_group(batch)[0, 0], expected)
    torch.testing.assert_close(table.by_group(batch).sum(-1), torch.ones(1, 2))


def test_words_and_attributes_are_gathered_in_two_steps():
    table = prompt_table(Vocabulary((CAT, DOG)), [])
    assert table.described.tolist() == [False, False, True, False, False, True, False]
    probabilities = torch.arange(1.0, 8.0) / 28
    found = table.by_group(probabilities, "max", 0.5)
    torch.testing.assert_close(found, torch.tensor([2 + 1.5, 5 + 3, 7]) / 18.5)
    found = table.by_group(probabilities, "mean", 0.0)
    torch.testing.assert_close(found, torch.tensor([1.5, 4.5, 7]) / 13)
    found = table.by_group(probabilities, "sum", 2.0)
    torch.testing.assert_close(found, torch.tensor([1 + 2 + 6, 4 + 5 + 12, 7]) / 37)
    # An attribute that is also a word of its class is a word.
    same = prompt_table(Vocabulary((ClassSpec("oak", synonyms=("tree",), attributes=("tree", "bark")),)), [])
    assert same.described.tolist() == [False, False, True]


def test_batches_are_gathered_alike():
    table = prompt_table(Vocabulary((CAT, DOG)), [ClassSpec("wall")])
    values = torch.rand(2, 3, 8, generator=torch.Generator().manual_seed(0))
    for reduction in ("sum", "max", "mean"):
        found = table.by_group(values, reduction, 0.3)
        torch.testing.assert_close(found.sum(-1), torch.ones(2, 3))
        torch.testing.assert_close(found[1, 2], table.by_group(values[1, 2], reduction, 0.3))
