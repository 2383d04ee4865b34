"""Captions say what is true, in words that the tokenizer knows."""

import numpy as np
import pytest

from learned_world.captions import caption, names_in, names_of, noise_caption, templates, vocabulary_words
from learned_world.names import STUFF, THINGS
from learned_world.scenes import Scene, SceneConfig, draw_scene


def a_scene(things=("cat", "anchor"), colours=("red", "blue"), stuff=("snow",)):
    nothing = np.zeros((1, 1), np.uint8)
    return Scene(nothing, nothing, nothing, things, colours, stuff)


def test_a_caption_is_true_of_its_scene():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scene = draw_scene(SceneConfig(objects=(0, 3), scale=(0.3, 0.5), two_stuffs=0.4), rng)
        for _ in range(5):
            assert names_in(caption(scene, rng)) <= names_of(scene)


def test_captions_of_two_things_name_both():
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert {"cat", "anchor"} <= names_in(caption(a_scene(), rng))


def test_facts_read_names_backgrounds_and_colours():
    assert names_in("a photo of a red cat and an anchor on snow.") == {"red cat", "cat", "anchor", "snow"}
    assert names_in("text, low quality") == frozenset()


def test_the_article_fits():
    texts = {caption(a_scene(("anchor",), ("red",)), np.random.default_rng(seed)) for seed in range(40)}
    assert any("an anchor" in text for text in texts)
    assert any("a red anchor" in text for text in texts)


def test_words_without_meaning_say_nothing():
    for seed in range(20):
        assert names_in(noise_caption(np.random.default_rng(seed))) == frozenset()


def test_a_bare_background_is_a_caption():
    assert names_in(caption(a_scene((), ()), np.random.default_rng(1))) == {"snow"}


def test_every_shipped_template_is_in_the_vocabulary():
    words = set(vocabulary_words())
    for template in templates():
        assert {w.strip(".,") for w in template.lower().replace("{}", "").split()} - {""} <= words


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    from learned_world.tokens import write_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    size = write_tokenizer(folder)
    found = transformers.CLIPTokenizer.from_pretrained(folder)
    assert len(found) == size
    return found


@pytest.mark.parametrize("word", [*THINGS, *STUFF, "picture", "photo", "Good"])
def test_known_words_are_one_token(tokenizer, word):
    assert len(tokenizer(word).input_ids) == 3  # with start and end


def test_unknown_words_fall_to_letters_and_long_texts_are_cut(tokenizer):
    found = tokenizer("zebra").input_ids
    assert len(found) > 3
    assert tokenizer.unk_token_id not in found[1:-1]
    assert len(tokenizer("cat " * 60, truncation=True).input_ids) == tokenizer.model_max_length == 24
