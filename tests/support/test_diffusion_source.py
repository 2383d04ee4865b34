"""The source: what is kept, what is replaced, and that a stopped call goes on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusion_doubles import ColourNames, scripted_source

from ovseg.support.diffusion.source import enlarged
from ovseg.support.sample_classifier import SampleClassifier
from ovseg.vocabulary import ClassSpec

TOMATO = ClassSpec("tomato")


@pytest.fixture(scope="module")
def sample_classifier():
    return SampleClassifier(ColourNames(), [TOMATO, ClassSpec("frog")], torch.device("cpu"))


def decisions(drawn):
    return [(one.request.seed, one.rejected) for one in drawn]


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_rejected_is_made_good_by_the_next_seeds(tmp_path, sample_classifier):
    script = {1: "frog", 2: "blank", 3: "tomato@0", 4: "frog"}
    made = scripted_source(tmp_path, script, sample_classifier, draws=3.0)
    drawn = made.source.draw(TOMATO, 4)
    assert decisions(drawn) == [
        (0, None),
        (1, "looks like frog"),
        (2, "blank"),
        (3, "nearly the same as another"),
        (4, "looks like frog"),
        (5, None),
        (6, None),
        (7, None),
    ]
    # Four were wanted, three of them made good, one of these again.
    assert made.sampler.batches == [[0, 1], [2, 3], [4, 5], [6], [7]]
    assert made.lines == ["tomato: 4 of 8 generated pictures kept (most often: looks like frog)"]


def test_the_number_of_pictures_is_bounded(tmp_path, sample_classifier):
    made = scripted_source(tmp_path, dict.fromkeys(range(99), "frog"), sample_classifier, draws=2.5)
    assert len(made.source.draw(TOMATO, 4)) == 10
    assert list(made.source.images(TOMATO, 4)) == []
    assert "0 of 10 generated pictures kept (most often: looks like frog), 4 were wanted" in made.lines[0]


def test_images_come_best_first_with_all_that_is_known(tmp_path, sample_classifier):
    made = scripted_source(tmp_path, {}, sample_classifier)
    images = list(made.source.images(TOMATO, 3))
    margins = [image.origin.details["margin"] for image in images]
    assert margins == sorted(margins, reverse=True)
    origin = images[0].origin
    assert (origin.source, origin.licence) == ("diffusion", "CC0")
    assert origin.details["prompt"] == "a good picture of a tomato"
    assert origin.details["settings"]["model"]["name"] == "scripted"
    assert {image.origin.details["seed"] for image in images} == {0, 1, 2}
    assert images[0].attribution.shape == images[0].pixels.shape[:2]
    assert images[0].attribution.dtype == np.float32


def test_without_a_judge_only_flaws_and_duplicates_count(tmp_path):
    made = scripted_source(tmp_path, {0: "frog", 1: "blank"})
    assert decisions(made.source.draw(TOMATO, 2)) == [(0, None), (1, "blank"), (2, None)]


def test_a_second_call_makes_nothing_and_gives_the_same(tmp_path, sample_classifier):
    first = scripted_source(tmp_path, {1: "frog"}, sample_classifier)
    images = list(first.source.images(TOMATO, 3))
    before = files(tmp_path)
    again = scripted_source(tmp_path, {1: "frog"}, sample_classifier)
    for one, other in zip(images, again.source.images(TOMATO, 3), strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.attribution, other.attribution)
        assert one.origin == other.origin
    assert again.sampler.batches == []
    assert again.source.made == 0
    assert files(tmp_path) == before


@pytest.mark.parametrize("writes", range(1, 12))
def test_stopped_anywhere_it_ends_as_if_it_had_not_been(tmp_path, monkeypatch, writes):
    whole = scripted_source(tmp_path / "whole", {}, batch_size=3)
    whole.source.draw(TOMATO, 4)

    import ovseg.support.diffusion.sample_store as sample_store

    count = 0

    def failing(real):
        def write(path, data):
            nonlocal count
            count += 1
            if count > writes:
                raise KeyboardInterrupt
            real(path, data)

        return write

    stopped = scripted_source(tmp_path / "stopped", {}, batch_size=3)
    with monkeypatch.context() as patch:
        patch.setattr(sample_store, "write_bytes", failing(sample_store.write_bytes))
        patch.setattr(sample_store, "write_json", failing(sample_store.write_json))
        with pytest.raises(KeyboardInterrupt):
            stopped.source.draw(TOMATO, 4)
    resumed = scripted_source(tmp_path / "stopped", {}, batch_size=3)
    resumed.source.draw(TOMATO, 4)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
    # A batch that was begun is made again as a whole: rounding depends on its size.
    assert all(batch in whole.sampler.batches for batch in resumed.sampler.batches)


def test_more_shots_take_what_is_there(tmp_path):
    scripted_source(tmp_path, {}).source.draw(TOMATO, 2)
    more = scripted_source(tmp_path, {})
    more.source.draw(TOMATO, 4)
    assert more.sampler.batches == [[2, 3]]


def test_describe_tells_whatever_changes_pictures(tmp_path, sample_classifier):
    base = scripted_source(tmp_path, {}, sample_classifier).source.describe()
    for change in ({"seed": 5}, {"margin": -2.0}, {"draws": 3.0}, {"duplicate": 0.9}, {"attributes": 1}):
        assert scripted_source(tmp_path, {}, sample_classifier, **change).source.describe() != base
    assert scripted_source(tmp_path, {}).source.describe() != base


def test_enlarged_keeps_its_range():
    small = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    large = enlarged(small, (6, 4))
    assert large.shape == (6, 4)
    assert large.min() >= 0
    assert large.max() <= 1
    assert large[0, 0] < 0.2 < 0.8 < large[0, -1]
