"""Search: order, margin, copies, lists."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pool_fakes import MeanColour, paint

from ovseg.errors import ConfigError
from ovseg.index import IndexConfig
from ovseg.runs.pool import build_pool
from ovseg.support.filters import PhotoFilter
from ovseg.support.pool.config import RetrievalConfig
from ovseg.support.pool.model import PoolEntry, PoolItem, pool_of
from ovseg.support.pool.query import rival_words, text_embedding, word_probabilities
from ovseg.support.pool.ranking import Hit, chosen
from ovseg.support.pool.search import PoolSearch

CPU = torch.device("cpu")
WHOLE = np.array([[0, 0, 1, 1]], np.float32)


def found(pool, ranking):
    return [pool.name(hit.photo) for hit in ranking.hits]


@pytest.fixture
def pool(photos, encoders, tmp_path):
    return build_pool([photos], tmp_path / "x.pool", encoders).pool


@pytest.fixture
def search(pool, encoders):
    return PoolSearch(pool, encoders.image_text, CPU)


def test_words_find_their_photos_the_surest_first(pool, search):
    ranking = search.by_words(["red"], 3)
    assert found(pool, ranking) == ["red-1.png", "red-2.png", "sub/red-3.png"]
    first = ranking.hits[0]
    query = text_embedding(["red"], MeanColour(), "simple")
    assert first.similarity == pytest.approx(float(search.embeddings[first.view] @ query.numpy()), abs=1e-6)
    assert 0 < first.probability < 1
    # Background words all mean grey; the best of them is one of many that share the rest.
    assert first.margin > 0


def test_what_the_words_do_not_fit_is_left_out(pool, search):
    ranking = search.by_words(["red"], 10)
    assert found(pool, ranking) == ["red-1.png", "red-2.png", "sub/red-3.png"]
    reasons = {pool.name(d.hit.photo): d.reason for d in ranking.dropped}
    assert reasons == dict.fromkeys(("blue.png", "green-1.png", "green-2.png", "grey.png"), "off topic")


def test_rivals_take_what_is_theirs(pool, search):
    assert "red-1.png" in found(pool, search.by_words(["orange"], 4))
    assert "red-1.png" not in found(pool, search.by_words(["orange"], 4, rivals=["green", "red", "orange"]))


def test_synonyms_add_up(pool, search):
    names = found(pool, search.by_words(["red", "blue"], 10))
    assert set(names) == {"red-1.png", "red-2.png", "sub/red-3.png", "blue.png"}


def test_a_picture_finds_its_like(pool, search):
    colour = np.array([0.1, 0.9, 0.1], np.float16)
    assert found(pool, search.by_image(colour, 2)) == ["green-1.png", "green-2.png"]
    assert search.by_image(colour, 2).hits[0].probability is None


def test_lists_of_photos(pool, search):
    ranking = search.by_words(["red"], 2, photo_filter=PhotoFilter(deny=("red-1*",)))
    assert found(pool, ranking) == ["red-2.png", "sub/red-3.png"]
    assert [(pool.name(d.hit.photo), d.reason) for d in ranking.dropped] == [("red-1.png", "denied")]
    sha256 = next(e.sha256 for e in pool.entries if e.path == "sub/red-3.png")
    assert found(pool, search.by_words(["red"], 2, photo_filter=PhotoFilter(allow=(sha256[:16],)))) == [
        "sub/red-3.png"
    ]


def test_near_copies_count_once(photos, encoders, tmp_path):
    paint(photos / "red-0.png", (222, 33, 33), seed=1)
    pool = build_pool([photos], tmp_path / "x.pool", encoders).pool
    ranking = PoolSearch(pool, encoders.image_text, CPU).by_words(["red"], 3)
    assert found(pool, ranking) == ["red-1.png", "red-2.png", "sub/red-3.png"]
    assert [(pool.name(d.hit.photo), d.reason) for d in ranking.dropped] == [
        ("red-0.png", "near copy of red-1.png")
    ]
    both = PoolSearch(pool, encoders.image_text, CPU, RetrievalConfig(distance=None)).by_words(["red"], 3)
    assert found(pool, both)[:2] == ["red-1.png", "red-0.png"]


@pytest.mark.parametrize(("backend", "kind"), [("torch", "flat"), ("faiss", "ivf"), ("faiss", "hnsw")])
def test_the_index_does_not_change_the_answer(pool, encoders, backend, kind):
    if backend == "faiss":
        pytest.importorskip("faiss")
    index = IndexConfig(backend=backend, kind=kind, recall=1.0)
    search = PoolSearch(pool, encoders.image_text, CPU, index=index)
    assert found(pool, search.by_words(["green"], 5)) == ["green-1.png", "green-2.png"]
    assert search.describe()["index"]["backend"] == backend


def test_the_best_view_of_a_photo_counts():
    features = np.array([[0.5, 0.5, 0.5], [0.9, 0.1, 0.1], [0.8, 0.1, 0.1]], np.float16)
    boxes = np.array([[0, 0, 1, 1], [0, 0, 0.6, 0.6], [0, 0, 1, 1]], np.float32)
    entry = PoolEntry(0, "a.png", "a" * 64, 1, 1, (9, 9))
    items = [
        PoolItem(entry, 0, features[:2], boxes[:2]),
        PoolItem(PoolEntry(0, "b.png", "b" * 64, 1, 1, (9, 9)), 2**64 - 1, features[2:], boxes[2:]),
    ]
    pool = pool_of(items, ["/photos"], {}, "fake")
    ranking = PoolSearch(pool, MeanColour(), CPU).by_words(["red"], 5)
    assert sorted((hit.photo, hit.view) for hit in ranking.hits) == [(0, 1), (1, 2)]


def test_an_empty_pool_has_nothing():
    pool = pool_of([], ["/photos"], {}, "fake")
    assert PoolSearch(pool, MeanColour(), CPU).by_words(["red"], 5).hits == ()


def hits(*values):
    return [Hit(i, i, s, p, m) for i, (s, p, m) in enumerate(values)]


def test_order_by_hand():
    items = [
        PoolItem(PoolEntry(0, f"{i}.png", f"{i}" * 64, 1, 1, (9, 9)), 0, np.zeros((1, 3), np.float16), WHOLE)
        for i in range(3)
    ]
    pool = pool_of(items, ["/photos"], {}, "fake")
    candidates = hits((0.5, 0.1, 1), (0.4, 0.9, 1), (0.4, 0.9, 1))
    config = RetrievalConfig(distance=None)
    # 20 x 0.5 + ln 0.1 = 7.70, 20 x 0.4 + ln 0.9 = 7.89
    assert [h.photo for h in chosen(pool, candidates, 9, config, PhotoFilter()).hits] == [1, 2, 0]
    plain = RetrievalConfig(distance=None, cosine_weight=None)
    assert [h.photo for h in chosen(pool, candidates, 9, plain, PhotoFilter()).hits] == [0, 1, 2]
    assert chosen(pool, candidates, 1, plain, PhotoFilter()).dropped == ()


def test_templates_bring_their_own_article():
    names = MeanColour()
    seen: list[str] = []
    names.encode_text = lambda texts: seen.extend(texts) or torch.eye(len(texts), 4)  # type: ignore[method-assign]
    text_embedding(["a red bicycle", "The van", "An"], names, "simple")
    assert seen == ["a photo of a red bicycle.", "a photo of a van.", "a photo of a An."]


def test_rivals_are_others_and_of_another_meaning():
    names = MeanColour()
    found = rival_words(["sky", "blue"], ["Sky", "green", "blue"], names, like=1.1)
    assert found[0] == "green"
    assert "sky" not in found
    assert "wall" in found
    # All background words mean grey here, as "stone" does.
    assert rival_words(["stone"], ["green"], names, like=0.75) == ("green",)


def test_probabilities_of_words_and_their_best_rival():
    own, best = word_probabilities(
        torch.tensor([[1.0, 0, 0]]), ["red", "red"], ["green", "stone"], MeanColour()
    )
    weights = np.exp(-10 * np.array([0, 2, 0.75]))
    assert own.item() == pytest.approx(weights[0] / weights.sum(), rel=1e-5)
    assert best.item() == pytest.approx(weights[2] / weights.sum(), rel=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"candidates": 0}, {"distance": 65}, {"margin": float("inf")}, {"cosine_weight": float("nan")}],
)
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        RetrievalConfig(**settings)
