"""Pool files: whatever lies there, a pool or one line comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pool_fakes import pool_encoders

from ovseg.container import read_container, write_container
from ovseg.errors import BankMismatch
from ovseg.runs.pool import build_pool
from ovseg.support.pool.config import PoolConfig
from ovseg.support.pool.file import KIND, VERSION, encoder_fingerprint, load_pool, pool_items, save_pool
from ovseg.support.pool.model import PoolEntry, PoolItem, pool_of

NAMES = pool_encoders().image_text


def item(path: str, root: int = 0, views: int = 1, seed: int = 0) -> PoolItem:
    features = np.random.default_rng(seed).random((views, 3)).astype(np.float16)
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (views, 1))
    return PoolItem(PoolEntry(root, path, "a" * 64, 10, 20, (3, 4)), 2**64 - 1 - seed, features, boxes)


def small():
    items = [item("b/é.jpg", seed=1), item("a.jpg", views=2, seed=2), item("z\udcff.png", 1, seed=3)]
    return pool_of(
        items, ["/one", "/two"], encoder_fingerprint(NAMES), "fake", failed=[(1, "x.jpg", "no image")]
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_pool(tmp_path / "x.pool", small())
    return tmp_path / "x.pool"


def test_a_pool_comes_back(path):
    pool, again = small(), load_pool(path, NAMES)
    assert again.entries == pool.entries
    assert (again.roots, again.failed, again.config, again.preset) == (
        pool.roots, pool.failed, pool.config, pool.preset,
    )  # fmt: skip
    for name in ("features", "owners", "boxes", "hashes"):
        assert (getattr(again, name) == getattr(pool, name)).all()
    assert [again.name(i) for i in range(3)] == ["one/a.jpg", "one/b/é.jpg", "two/z\udcff.png"]
    data = path.read_bytes()
    save_pool(path, again)
    assert path.read_bytes() == data
    assert [len(part.features) for part in pool_items(again)] == [2, 1, 1]
    assert [part.hash for part in pool_items(again)] == [2**64 - 3, 2**64 - 2, 2**64 - 4]


def test_another_encoder_is_named(path):
    with pytest.raises(
        BankMismatch, match=r"made by another encoder \(mean colour 0+, not x 0+\): open it with"
    ):
        load_pool(path, pool_encoders("x").image_text)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flips_and_cuts(path, data):
    whole = path.read_bytes()
    altered = bytearray(whole)
    if data.draw(st.booleans()):
        for _ in range(data.draw(st.integers(1, 5))):
            altered[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        altered = altered[: data.draw(st.integers(0, len(whole) - 1))]
    if altered == whole:
        return
    other = path.with_name("altered.pool")
    other.write_bytes(altered)
    with pytest.raises(BankMismatch):
        load_pool(other)


def rewritten(path: Path, change) -> Path:
    """The pool with its content changed and sealed anew, as somebody who means harm would do it."""
    _, content, tensors = read_container(path, KIND, VERSION)
    change(content, tensors)
    write_container(path, KIND, VERSION, content, tensors)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../etc/passwd",
        "/etc/passwd",
        "a/../../b.jpg",
        "",
        ".",
        "a//b.jpg",
        "C:/x.jpg",
        "a\\..\\b",
        "a\0b",
        "./a",
    ],
)
def test_paths_that_lead_elsewhere(path, name):
    def change(content, tensors):
        content["entries"][0][1] = name

    with pytest.raises(BankMismatch, match="is not below a folder of the pool"):
        load_pool(rewritten(path, change))


@pytest.mark.parametrize(
    "change",
    [
        lambda c, t: c.pop("entries"),
        lambda c, t: c["entries"].pop(),
        lambda c, t: c["entries"].append(c["entries"][0]),
        lambda c, t: c["entries"][0].append(1),
        lambda c, t: c["entries"].__setitem__(0, None),
        lambda c, t: c["entries"][0].__setitem__(0, 7),
        lambda c, t: c["entries"][0].__setitem__(0, True),
        lambda c, t: c["entries"][0].__setitem__(2, "short"),
        lambda c, t: c["entries"][0].__setitem__(5, [0, 1]),
        lambda c, t: c["failed"].append([0, "../x", "no"]),
        lambda c, t: c["failed"].append([0]),
        lambda c, t: c.update(roots="abc"),
        lambda c, t: c.update(identity=[]),
        lambda c, t: c.update(config={"crops": 3}),
        lambda c, t: c.update(config={"depth": 3}),
        lambda c, t: t.pop("hashes"),
        lambda c, t: t.update(more=np.zeros(3)),
        lambda c, t: t.update(features=t["features"].astype(np.float32)),
        lambda c, t: t.update(features=t["features"][0]),
        lambda c, t: t.update(features=np.full_like(t["features"], np.nan)),
        lambda c, t: t.update(owners=t["owners"][::-1].copy()),
        lambda c, t: t.update(owners=t["owners"] + 1),
        lambda c, t: t.update(owners=np.zeros_like(t["owners"])),
        lambda c, t: t.update(owners=np.array([0, 0, 2, 2], np.int32)),
        lambda c, t: t.update(boxes=t["boxes"] * 2),
        lambda c, t: t.update(boxes=np.zeros_like(t["boxes"])),
        lambda c, t: t.update(hashes=t["hashes"].astype(np.int64)),
    ],
)
def test_content_that_does_not_fit_together(path, change):
    with pytest.raises(BankMismatch, match=r"is no sound pool \(.*\): build it again"):
        load_pool(rewritten(path, change))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    place=st.sampled_from(["identity", "preset", "config", "roots", "entries", "failed"]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=5,
    ),
)
def test_any_content_at_all(path, place, value):
    _, content, tensors = read_container(path, KIND, VERSION)
    other = path.with_name("other.pool")
    write_container(other, KIND, VERSION, content | {place: value}, tensors)
    try:
        pool = load_pool(other)
    except BankMismatch:
        return
    # What got through is sound: no list of photos but the right one fits the tensors.
    assert place != "entries"
    assert len(pool) == 3
    assert isinstance(pool.preset, str)


def test_a_bank_is_no_pool(tmp_path):
    write_container(tmp_path / "x", "bank", 1, {}, {})
    with pytest.raises(BankMismatch, match="it is an ovseg bank, not a pool"):
        load_pool(tmp_path / "x")


def test_a_pool_put_together_in_another_order_gives_the_same_bytes(photos, encoders, tmp_path):
    built = build_pool([photos], tmp_path / "x.pool", encoders).pool
    items = list(pool_items(built))[::-1]
    again = pool_of(items, built.roots, built.identity, built.preset, PoolConfig(), built.failed)
    save_pool(tmp_path / "y.pool", again)
    assert (tmp_path / "y.pool").read_bytes() == (tmp_path / "x.pool").read_bytes()
