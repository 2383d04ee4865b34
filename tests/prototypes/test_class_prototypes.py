"""Prototypes of a class, their kinds and regions; what is cleaned away; texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bank_doubles import GRID, IDENTITY, TEXT_IDENTITY, axis, record, small_bank, view, words

from ovseg.errors import ConfigError
from ovseg.prototypes import (
    KINDS,
    PrototypeConfig,
    SupportView,
    class_bank,
    clean_background,
    merge_banks,
    text_table,
)
from ovseg.prototypes.clean import distinct_rows
from ovseg.vocabulary import ClassSpec

ALL = PrototypeConfig(parts=4, patches_per_part=4, patches_per_split=4, merge=1.0)


def kinds(table, *, foreground: bool) -> dict[str, int]:
    found = [KINDS[kind] for kind in table.kinds[table.foreground == foreground]]
    return {kind: found.count(kind) for kind in dict.fromkeys(found)}


def test_every_kind_is_made_and_points_at_its_region():
    views = [view(axis(0), axis(1), f"{i}.jpg", i) for i in range(3)]
    bank = class_bank(ClassSpec("cat"), views, {"look": IDENTITY}, ALL)
    table = bank.tables["look"]
    assert kinds(table, foreground=True) == {"class": 1, "image": 3, "part": 4, "region": 6}
    assert kinds(table, foreground=False) == {"class": 1, "image": 3, "part": 4}
    front = table.vectors[table.foreground]
    assert (front @ axis(0) > 0.9).all()
    assert (table.vectors[~table.foreground] @ axis(1) > 0.9).all()
    np.testing.assert_allclose(np.linalg.norm(table.vectors, axis=1), 1, rtol=1e-5)
    for row in range(len(table)):
        region = bank.regions[table.regions[row]]
        whole = views[region.support]
        inside = whole.foreground if table.foreground[row] else whole.background
        assert not (region.mask & ~inside).any()
        if KINDS[table.kinds[row]] in ("image", "region"):
            patches = whole.features["look"][region.mask.reshape(-1)]
            mean = patches.mean(0) / np.linalg.norm(patches.mean(0))
            np.testing.assert_allclose(table.vectors[row], mean, atol=1e-5)
        if KINDS[table.kinds[row]] == "image":
            np.testing.assert_array_equal(region.mask, inside)


def test_the_class_mean_points_at_the_image_most_like_it():
    views = [view(axis(0) + 0.8 * axis(2), axis(1)), view(axis(0), axis(1)), view(axis(0), axis(1), seed=5)]
    bank = class_bank(ClassSpec("cat"), views, {"look": IDENTITY}, replace(ALL, kinds=("class",)))
    table = bank.tables["look"]
    assert bank.regions[table.regions[0]].support in (1, 2)


def test_parts_are_the_clusters_across_images():
    half = view(axis(0), axis(1), "a.jpg", 1)
    other = view(axis(2), axis(1), "b.jpg", 2)
    config = replace(ALL, kinds=("part",), parts=2, background=False)
    bank = class_bank(ClassSpec("cat"), [half, other], {"look": IDENTITY}, config)
    table = bank.tables["look"]
    assert [bank.regions[r].support for r in table.regions] == [0, 1]
    np.testing.assert_array_equal(bank.regions[0].mask, half.foreground)
    assert table.vectors[0] @ axis(0) > 0.99
    assert table.vectors[1] @ axis(2) > 0.99


def test_stuff_has_no_background_and_no_support_has_no_prototypes():
    views = [view(axis(0), axis(1))]
    stuff = class_bank(ClassSpec("sky"), views, {"look": IDENTITY}, ALL, stuff=True)
    assert stuff.tables["look"].foreground.all()
    assert len(stuff.tables["look"]) > 0
    nothing = class_bank(ClassSpec("sky"), [], {"look": IDENTITY}, ALL)
    assert len(nothing.tables["look"]) == 0
    assert nothing.supports == ()


def test_doubles_are_dropped_the_general_kind_stays():
    bank = class_bank(
        ClassSpec("cat"),
        [view(axis(0), axis(1))],
        {"look": IDENTITY},
        replace(ALL, merge=0.9, background=False),
    )
    assert kinds(bank.tables["look"], foreground=True) == {"class": 1}
    vectors = np.stack([axis(0), axis(1), axis(0)])
    np.testing.assert_array_equal(distinct_rows(vectors, 0.99), [0, 1])
    np.testing.assert_array_equal(distinct_rows(vectors, 1.0), [0, 1, 2])


def test_views_are_checked():
    patches = np.ones((24, 2), np.float32)
    empty = np.zeros(GRID, np.bool_)
    with pytest.raises(ValueError, match="foreground is empty"):
        SupportView(record(), empty, empty, {"look": patches}, patches)


def test_background_like_another_class_goes_and_its_own_stays():
    # Walls stand behind cats and are a class; floors are no class.
    bank = small_bank()
    cleaned = clean_background(bank, 0.85)
    before, after = bank.tables["look"], cleaned.tables["look"]
    assert after.foreground.sum() == before.foreground.sum()
    cats = (after.classes == 0) & ~after.foreground
    assert cats.any()
    assert (after.vectors[cats] @ axis(7) > 0.5).all()
    assert (before.vectors[(before.classes == 0) & ~before.foreground] @ axis(6) > 0.85).any()
    assert dict(cleaned.tables["text"].texts) == dict(bank.tables["text"].texts)
    assert clean_background(bank, 1.0) is bank


def test_cleaning_is_the_same_in_blocks(monkeypatch):
    bank = small_bank()
    whole = clean_background(bank, 0.85).tables["look"].vectors
    monkeypatch.setattr("ovseg.prototypes.clean.BLOCK", 3)
    np.testing.assert_array_equal(clean_background(bank, 0.85).tables["look"].vectors, whole)


def test_joining_cleans_over_all_classes_and_forgets_unused_regions():
    bank = small_bank()
    joined = merge_banks([bank], clean=0.85)
    used = set(np.concatenate([table.regions for table in joined.tables.values()]).tolist()) - {-1}
    assert used == set(range(len(joined.regions)))
    assert len(joined.regions) < len(bank.regions)


def test_texts_are_names_synonyms_and_attributes():
    specs = (ClassSpec("cat", ("kitten",), ("whiskers",)), ClassSpec("sky"))
    table = text_table("text", TEXT_IDENTITY, specs, words)
    assert [table.texts[row] for row in range(4)] == ["cat", "kitten", "whiskers", "sky"]
    np.testing.assert_array_equal(table.classes, [0, 0, 0, 1])
    np.testing.assert_array_equal(table.vectors, words(["cat", "kitten", "whiskers", "sky"]))
    assert set(table.regions.tolist()) == {-1}


@pytest.mark.parametrize(
    "bad", [{"kinds": ("text",)}, {"parts": 0}, {"clean": 0.0}, {"merge": 1.5}, {"seed": -1}]
)
def test_settings_out_of_range(bad):
    with pytest.raises(ConfigError):
        PrototypeConfig(**bad)
