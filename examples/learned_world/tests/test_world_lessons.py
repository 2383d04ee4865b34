"""What the image-text model is taught, and that it can be: a few steps, loaded as open_clip loads them."""

import json

import numpy as np
import pytest
import torch

from learned_world.captions import names_in, vocabulary_words
from learned_world.drawings import drawings_of
from learned_world.names import HELD_OUT_PAIRS, STUFF, THINGS
from learned_world.tokens import word_merges, write_tokenizer
from learned_world.train import image_text
from learned_world.train.fresh import Painter, allowed_things
from learned_world.train.lessons import Course, allowed_table, captions, competing, grounds, single
from learned_world.train.loop import LoopConfig
from ovseg.encoders.clip.load import load_model


def test_captions_that_compete_share_a_background_or_name_two():
    for seed in range(40):
        stuff, _ = grounds(16, np.random.default_rng(seed))
        assert len(stuff) == 16
        assert len(set(stuff)) == 1 or all(1 <= len(kinds) <= 2 for kinds in stuff)
        assert all("sky" not in kinds[1:] for kinds in stuff)


def test_only_what_captions_say_of_a_background_competes_on_it():
    names = [*THINGS, *STUFF]
    table = allowed_table(names)
    assert table[()].all()
    for kinds in (("sand",), ("sky", "water")):
        said = {name for name, may in zip(names, table[kinds].tolist(), strict=True) if may}
        assert said == {*allowed_things(kinds), *STUFF}
        assert all((name, ground) not in HELD_OUT_PAIRS for name in said for ground in kinds)


def test_pictures_of_one_thing_have_one_background():
    for seed in range(20):
        stuff, kind = single(8, np.random.default_rng(seed))
        assert len(set(stuff)) == 1
        assert kind.objects == (1, 1)
    assert single(8, np.random.default_rng(0), easy=True)[1].scale[0] > kind.scale[0]


def test_a_caption_competes_where_its_things_are_ever_seen():
    (thing, ground) = sorted(HELD_OUT_PAIRS)[0]
    other = next(name for name in STUFF if (thing, name) not in HELD_OUT_PAIRS)
    said = [names_in(f"a {thing} on {other}"), names_in(f"a {thing}"), names_in(ground)]
    assert competing(said, [(ground,), (other,), (other, ground), ()]).tolist() == [
        [False, False, True],
        [True, True, True],
        [False, False, True],
        [True, True, True],
    ]


def test_captions_without_pictures_say_nothing_that_is_held_out():
    texts = captions(300, np.random.default_rng(0))
    said = [names_in(text) for text in texts]
    assert set().union(*said) > {*THINGS, *STUFF}
    assert not any((thing, ground) in HELD_OUT_PAIRS for text in said for thing in text for ground in text)


def test_every_word_is_one_token_and_the_files_are_the_same_again(tmp_path):
    from transformers import CLIPTokenizer

    for folder in ("a", "b"):
        size = write_tokenizer(tmp_path / folder)
    for name in ("vocab.json", "merges.txt"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "a")
    assert len(tokenizer) == size
    ids = [tokenizer(word).input_ids[1:-1] for word in vocabulary_words() if "-" not in word]
    assert all(len(one) == 1 for one in ids)
    assert len({one[0] for one in ids}) == len(ids)


def test_merges_of_words_that_share_letters():
    # "ca" is there already when "car" comes; what "scar" lacks is joined from its beginning.
    assert word_merges(["cat", "car", "scar"]) == [
        ("c", "a"),
        ("ca", "t</w>"),
        ("ca", "r</w>"),
        ("s", "car</w>"),
    ]


def test_a_few_steps_leave_a_folder_that_open_clip_loads(tmp_path):
    pytest.importorskip("open_clip")
    painter = Painter(0, [d for thing in THINGS for d in drawings_of(thing, held_out=False)[:1]])
    config = LoopConfig(steps=3, batch=8, rate=1e-3, warmup=1, cooldown=1, ema=0.9)
    course = Course(words=30, easy=1, single=2)
    for workers in (1, 0):  # the second time goes on from the checkpoint, and has nothing to do
        image_text.train(painter, config, course, tmp_path / "names", tmp_path / "work", "cpu", workers)
    record = json.loads((tmp_path / "names" / "training.json").read_text())
    assert record["settings"]["single"] == 2
    loaded = load_model(f"local-dir:{tmp_path / 'names'}")
    with torch.inference_mode():
        found = loaded.model.encode_image(torch.zeros(1, 3, 64, 64))
    assert found.shape == (1, 96)
    assert torch.isfinite(found).all()
