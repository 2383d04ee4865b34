"""The models that ovseg brings: what is recorded of them, and that they know their world."""

import json

import numpy as np
import pytest

from learned_world.cards import WORLD_NAMES
from learned_world.check import PICTURES, held_out_scenes, naming
from learned_world.names import STUFF, THINGS
from learned_world.scenes import SceneConfig
from learned_world.vocabulary import SEGMENT, world_vocabulary
from ovseg.encoders import preset_card
from ovseg.encoders.presets import PRESETS, choose_preset, open_preset
from ovseg.errors import WeightsUnavailable
from ovseg.files import file_sha256
from ovseg.pipeline.segmenter import Segmenter
from ovseg.weights.locate import require_file


@pytest.fixture(scope="module")
def encoders():
    return open_preset("world")


def test_the_weights_are_those_on_record():
    path = require_file(WORLD_NAMES)
    record = json.loads((path.parent / "training.json").read_text())
    assert file_sha256(path) == WORLD_NAMES.sha256 == record["sha256"][path.name]
    assert path.stat().st_size == WORLD_NAMES.size_bytes < 5_000_000
    assert record["command"].startswith("python -m learned_world.train.image_text")


def test_auto_never_takes_the_world(monkeypatch):
    # Not even where its weights are the only ones.
    find = preset_card.find_file
    monkeypatch.setattr(preset_card, "find_file", lambda card: find(card) if card == WORLD_NAMES else None)
    assert PRESETS.get("world").present
    with pytest.raises(WeightsUnavailable, match="no preset has its weights on this machine"):
        choose_preset("auto")


def test_things_are_named(encoders):
    found = naming(encoders, 96)
    assert set(found) == set(PICTURES)
    assert found["styles and pairs of training"] >= 0.93
    assert found["held-out pairs"] >= 0.9
    assert found["held-out styles"] >= 0.75


def test_prompts_of_the_same_name_are_nearer_than_those_of_another(encoders):
    names = ["star", "key", "cactus"]
    one, other = (
        encoders.image_text.encode_text([pattern.format(name) for name in names])
        for pattern in ("a photo of a {}.", "a good picture of a {}")
    )
    assert (one @ other.T).argmax(1).tolist() == [0, 1, 2]


def test_names_not_asked_for_are_words_for_the_background():
    vocabulary = world_vocabulary(["cat", "sky"])
    assert {spec.name: spec.kind for spec in vocabulary.classes} == {"cat": "thing", "sky": "stuff"}
    assert set(vocabulary.background) == {*THINGS, *STUFF} - {"cat", "sky"}
    assert not world_vocabulary(["cat"], has_background=False).background


def test_the_same_scene_gets_the_same_labels(encoders):
    (scene,) = held_out_scenes(1)
    vocabulary = world_vocabulary((*THINGS, *STUFF), has_background=False)
    first, second = (Segmenter(encoders, SEGMENT).segment(scene.pixels, vocabulary) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert first.labels.shape == scene.labels.shape


def test_stuff_is_found_by_its_name_alone(encoders):
    scenes = held_out_scenes(6, config=SceneConfig(side=128, objects=(0, 0), two_stuffs=1.0))
    vocabulary = world_vocabulary(STUFF, has_background=False)
    right = [
        np.mean(np.array((*THINGS, *STUFF))[scene.labels - 1] == np.array(STUFF)[labels - 1])
        for scene in scenes
        for labels in [Segmenter(encoders, SEGMENT).segment(scene.pixels, vocabulary).labels]
    ]
    assert np.mean(right) > 0.8
