"""Generated pictures on disk: what is kept is what was made, or it does not count."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from ovseg.support.diffusion.prompting import Prompt
from ovseg.support.diffusion.sample_store import SampleStore
from ovseg.support.diffusion.sampler import Request, Sample

SETTINGS = {"model": {"name": "some body/MODEL", "licence": "unknown"}, "steps": 30}
REQUEST = Request(Prompt("a cat", "bad", 2, 5), 7)


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    return Sample(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8), rng.random((6, 5), dtype=np.float32))


@pytest.fixture
def sample_store(tmp_path):
    return SampleStore(tmp_path, SETTINGS)


def test_what_is_put_comes_back(sample_store, sample):
    assert sample_store.get(REQUEST) is None
    entry = sample_store.put(REQUEST, sample, {"device": "cpu"})
    again = sample_store.get(REQUEST)
    for found in (entry.sample, again.sample):
        assert np.array_equal(found.pixels, sample.pixels)
        np.testing.assert_allclose(found.attribution, sample.attribution, atol=1 / 65535)
    assert np.array_equal(entry.sample.attribution, again.sample.attribution)
    assert again.record == entry.record
    assert again.record["prompt"] == "a cat"
    assert again.record["seed"] == 7
    assert (sample_store.root / entry.name).is_file()


def test_without_attribution_and_with_a_flaw(sample_store, sample):
    sample_store.put(REQUEST, Sample(sample.pixels, None, "blank"), {})
    found = sample_store.get(REQUEST)
    assert found.sample.attribution is None
    assert found.sample.flaw == "blank"


@pytest.mark.parametrize(
    "request_",
    [
        Request(Prompt("a cat", "bad", 2, 5), 8),
        Request(Prompt("a cat", "worse", 2, 5), 7),
        Request(Prompt("a cat", "bad", 0, 5), 7),
        Request(Prompt("a cut", "bad", 2, 5), 7),
    ],
)
def test_another_request_is_another_picture(sample_store, sample, request_):
    sample_store.put(REQUEST, sample, {})
    assert sample_store.get(request_) is None


def test_other_settings_are_another_picture(sample_store, sample, tmp_path):
    sample_store.put(REQUEST, sample, {})
    assert SampleStore(tmp_path, SETTINGS | {"steps": 31}).get(REQUEST) is None


@pytest.mark.parametrize("word", ["../../etc/passwd", "a/b", "ä" * 300, "", ".", "con\x00"])
def test_words_stay_in_the_folder(sample_store, sample, word):
    entry = sample_store.put(Request(Prompt(word, "", 0, len(word)), 1), sample, {})
    assert (sample_store.root / entry.name).resolve().is_relative_to(sample_store.root.resolve())
    assert len(entry.name) < 200


def test_whatever_is_changed_is_not_taken(sample_store, sample):
    sample_store.put(REQUEST, sample, {})
    files = sorted(path for path in sample_store.root.rglob("*") if path.is_file())
    assert len(files) == 3
    rng = random.Random(0)
    for path in files:
        whole = path.read_bytes()
        for _ in range(40):
            data = bytearray(whole)
            if rng.random() < 0.3:
                del data[rng.randrange(len(data)) :]
            else:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
            found = sample_store.get(REQUEST)
            if found is not None:  # a bit of what is only noted down: the pictures are as they were
                assert path.suffix == ".json"
                assert np.array_equal(found.sample.pixels, sample.pixels)
        path.unlink()
        assert sample_store.get(REQUEST) is None
        path.write_bytes(whole)
    assert sample_store.get(REQUEST) is not None


@pytest.mark.parametrize("text", ["[]", "3", "{}", "null", '{"format": 3}', "[" * 100_000])
def test_sidecars_of_another_kind(sample_store, sample, text):
    entry = sample_store.put(REQUEST, sample, {})
    (sample_store.root / entry.name).with_suffix(".json").write_text(text)
    assert sample_store.get(REQUEST) is None


def test_a_forged_sidecar_cannot_bring_in_another_kind_of_file(sample_store, sample):
    import hashlib

    entry = sample_store.put(REQUEST, sample, {})
    png = sample_store.root / entry.name
    png.write_bytes(b"GIF89a" + bytes(100))
    path = png.with_suffix(".json")
    record = json.loads(path.read_text()) | {"sha256": hashlib.sha256(png.read_bytes()).hexdigest()}
    path.write_text(json.dumps(record))
    assert sample_store.get(REQUEST) is None
