"""The whole route on a handful of classes: names to support pictures, regions, a bank, and a segmentation."""

import numpy as np
import pytest
from PIL import Image

from learned_world.check import held_out_scenes
from learned_world.encoders import SIDE
from learned_world.names import THINGS
from learned_world.route import (
    ALONE,
    READINGS,
    Banks,
    EncodedScenes,
    both,
    save_pool,
    without_background,
    write_support,
)
from learned_world.scenes import SceneConfig
from learned_world.vocabulary import SEGMENT
from ovseg.encoders.presets import open_preset
from ovseg.support.config import BankConfig

CLASSES = ("bell", "cup", "house", "star", "umbrella")
CONFIG = BankConfig(8, SEGMENT.encoding)

FLOOR_CEILING, FLOOR_RETRIEVED, FLOOR_GENERATED = 0.28, 0.3, 0.3
"""Mean IoU with background: of the bank alone, and of the better reading."""


def test_support_has_a_mask_a_picture_and_is_the_same_again(tmp_path):
    for folder in ("a", "b"):
        write_support(tmp_path / folder, ["star"], 2)
    for number in range(2):
        one, again = (Image.open(tmp_path / f / "star" / f"{number:03}.png") for f in "ab")
        assert one.size == (SIDE, SIDE)
        assert one.tobytes() == again.tobytes()
        mask = np.asarray(Image.open(tmp_path / "a" / "star" / f"{number:03}.mask.png"))
        assert 0.01 < (mask > 0).mean() < 0.3


def test_the_pool_tells_nothing_of_what_it_shows(tmp_path):
    save_pool(tmp_path, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.png", "00001.png", "00002.png"]


@pytest.fixture(scope="module")
def scenes():
    config = SceneConfig(side=SIDE, objects=(1, 3), scale=(0.3, 0.5), pairs="all", things=THINGS)
    return EncodedScenes(open_preset("world"), held_out_scenes(24, config=config))


@pytest.fixture(scope="module")
def banks(scenes, tmp_path_factory):
    return Banks(scenes.encoders, CLASSES, tmp_path_factory.mktemp("route"))


@pytest.mark.slow
def test_true_masks_reach_the_ceiling_and_background_prototypes_matter(scenes, banks):
    whole = scenes.measure(CLASSES, ALONE, banks.ceiling(CONFIG)).miou
    bare = scenes.measure(CLASSES, ALONE, banks.ceiling(without_background(CONFIG))).miou
    assert whole >= FLOOR_CEILING
    assert bare <= whole - 0.05


# diffusers' own deprecations, of how its classes call each other.
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.slow
def test_names_alone_are_enough_to_draw_support_and_background_prototypes_matter(scenes, banks):
    pytest.importorskip("diffusers")
    bank = banks.generated(CONFIG)
    assert len(bank.classes) == len(CLASSES)
    found = {reading: scenes.measure(CLASSES, config, bank).miou for reading, config in READINGS.items()}
    assert max(found.values()) >= FLOOR_GENERATED
    bare = scenes.measure(CLASSES, ALONE, banks.generated(without_background(CONFIG))).miou
    assert bare <= found["bank alone"] - 0.05


@pytest.mark.slow
def test_names_alone_find_support_in_an_unlabelled_pool(scenes, banks):
    bank = banks.retrieved(CONFIG, 200)
    assert bank.classes
    found = {reading: scenes.measure(CLASSES, config, bank).miou for reading, config in READINGS.items()}
    assert max(found.values()) >= FLOOR_RETRIEVED
    joined = both(bank, banks.ceiling(CONFIG), CONFIG)
    assert len(joined.classes) == len(CLASSES)
    assert scenes.measure(CLASSES, ALONE.with_settings(refine="none"), joined).miou > 0
