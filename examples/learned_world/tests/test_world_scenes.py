"""Scenes are exact: every pixel has its name, and what is held out is held out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learned_world.drawings import drawings_of
from learned_world.names import HELD_OUT_PAIRS, HELD_OUT_STYLES, STUFF, THINGS, TRAIN_STYLES
from learned_world.scenes import LABELS, SceneConfig, draw_scene


def drawn(seed, **changes):
    return draw_scene(SceneConfig(**changes), np.random.default_rng(seed))


def test_there_are_enough_things_and_stuff_and_no_word_twice():
    assert len(THINGS) >= 24
    assert len(STUFF) >= 6
    assert len({*THINGS, *STUFF}) == len(THINGS) + len(STUFF) == len(LABELS) - 1


@pytest.mark.parametrize("thing", THINGS)
def test_each_thing_is_drawn_in_styles_on_both_sides_of_the_split(thing):
    seen, unseen = (drawings_of(thing, held_out=h) for h in (False, True))
    assert len({d.style for d in seen}) >= 3
    assert {d.style for d in seen} <= set(TRAIN_STYLES)
    assert unseen
    assert {d.style for d in unseen} <= set(HELD_OUT_STYLES)


@pytest.mark.parametrize("thing", THINGS[::3])
def test_ink_lies_on_the_body_and_the_body_is_no_square(thing):
    for drawing in (*drawings_of(thing, held_out=False), *drawings_of(thing, held_out=True)):
        body, ink = (np.asarray(images[0]) for images in (drawing.body, drawing.ink))
        assert body[ink >= 128].min() == 255, drawing.style
        assert 0.1 < drawing.fill < 0.95, drawing.style


def test_a_scene_is_the_same_for_the_same_seed_and_another_for_another():
    one, again, other = (drawn(seed, objects=(2, 4), scale=(0.25, 0.4)) for seed in (5, 5, 6))
    assert np.array_equal(one.pixels, again.pixels)
    assert np.array_equal(one.labels, again.labels)
    assert not np.array_equal(one.pixels, other.pixels)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([64, 96, 128]))
def test_labels_instances_and_names_agree(seed, side):
    scene = drawn(seed, side=side, objects=(1, 4), scale=(0.25, 0.45), two_stuffs=0.5, pairs="all")
    assert scene.pixels.shape == (side, side, 3)
    assert scene.pixels.dtype == np.uint8
    for number, thing in enumerate(scene.things, start=1):
        covered = scene.labels[scene.instances == number]
        assert covered.size > 0
        assert set(covered) == {LABELS.index(thing)}
    there = {LABELS[i] for i in np.unique(scene.labels)}
    assert "background" not in there
    assert set(scene.things) <= there
    assert there - set(scene.things) - set(scene.stuff) <= set(THINGS)


def test_the_mask_is_where_the_object_was_painted():
    ground = drawn(3, objects=(0, 0), stuff=("sand",))
    scene = drawn(3, objects=(1, 1), stuff=("sand",), things=("star",), pairs="all")
    changed = np.abs(scene.pixels.astype(int) - ground.pixels).sum(2) > 0
    mask = scene.instances == 1
    # The counts differ by the antialiased edge alone.
    assert (changed & mask).sum() / mask.sum() > 0.98
    assert (changed & ~mask).sum() / mask.sum() < 0.35


@pytest.mark.parametrize("pairs", ["training", "held-out"])
def test_held_out_pairs_meet_only_where_they_are_asked_for(pairs):
    met = {
        (thing, stuff)
        for seed in range(60)
        for scene in [drawn(seed, pairs=pairs)]
        for thing in scene.things
        for stuff in scene.stuff
    }
    assert met
    assert met <= HELD_OUT_PAIRS if pairs == "held-out" else not met & HELD_OUT_PAIRS


def test_every_thing_keeps_backgrounds_for_training():
    for thing in THINGS:
        assert len([pair for pair in HELD_OUT_PAIRS if pair[0] == thing]) == 2


def test_an_object_out_of_view_is_not_named():
    scenes = [drawn(seed, reach=1.0, scale=(0.9, 0.9)) for seed in range(80)]
    assert any(not scene.things for scene in scenes)
    assert any(scene.things for scene in scenes)
