"""Painted training pictures show what is said of them, and nothing that is held out."""

import numpy as np
import pytest
import torch

from learned_world.drawings import drawings_of
from learned_world.names import HELD_OUT_PAIRS, HELD_OUT_STYLES, MORE_STYLES, STUFF, THINGS, TRAIN_STYLES
from learned_world.train.fresh import SIDE, Kind, Painter


@pytest.fixture(scope="module")
def painter():
    few = [d for thing in THINGS[:4] for d in drawings_of(thing, held_out=False)]
    return Painter(0, few)


def test_further_styles_are_for_training_alone():
    assert not set(MORE_STYLES) & {*TRAIN_STYLES, *HELD_OUT_STYLES}
    fewer, more = (drawings_of("guitar", held_out=False, more=m) for m in (False, True))
    assert {d.style for d in more} <= {*TRAIN_STYLES, *MORE_STYLES}
    assert len(more) > 2 * len(fewer)
    assert not {d.style for d in drawings_of("guitar", held_out=True, more=True)} - set(HELD_OUT_STYLES)


def test_the_same_generator_paints_the_same_pictures(painter):
    one, again = (painter.paint([("sand",)] * 3, Kind(), np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one[0], again[0])
    assert one[1] == again[1]
    assert one[0].shape == (3, 3, SIDE, SIDE)
    assert float(one[0].min()) >= 0
    assert float(one[0].max()) <= 1


def test_held_out_pairs_are_never_painted(painter):
    stuff = [(name,) for name in STUFF] * 6
    _, contents = painter.paint(stuff, Kind(objects=(1, 3), scale=(0.3, 0.4)), np.random.default_rng(0))
    met = {(thing, ground) for told in contents for thing in told.things for ground in told.stuff}
    assert len(met) > 8
    assert not met & HELD_OUT_PAIRS


def test_what_is_said_to_be_there_has_been_painted(painter):
    rng = np.random.default_rng(1)
    bare, _ = painter.paint([("sky",)] * 8, Kind(objects=(0, 0)), np.random.default_rng(2))
    assert float(bare.std()) > 0
    images, contents = painter.paint([()] * 8, Kind(objects=(1, 1), scale=(0.6, 0.8), reach=0.0), rng)
    assert all(len(told.things) == len(told.colours) == 1 for told in contents)
    assert {told.things[0] for told in contents} <= set(THINGS[:4])
    assert torch.isfinite(images).all()
