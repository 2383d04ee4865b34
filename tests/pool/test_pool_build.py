"""Building pools: what is encoded, what is kept, what drops out."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from pool_fakes import paint, pool_encoders

from ovseg.errors import BankMismatch, InputError, OutputError, UsageError
from ovseg.pipeline.sources import open_source
from ovseg.runs.folder_lock import folder_lock
from ovseg.runs.pool import build_pool, parts_folder
from ovseg.support.pool.config import PoolConfig
from ovseg.support.pool.file import load_pool
from ovseg.support.pool.views import encode_views, view_boxes, views
from ovseg.vocabulary import ClassSpec


def names(pool):
    return [pool.name(i) for i in range(len(pool))]


def test_a_folder_becomes_a_pool(photos, encoders, tmp_path):
    summary = build_pool([photos], tmp_path / "x.pool", encoders)
    pool = load_pool(tmp_path / "x.pool", encoders.image_text)
    assert names(pool) == [
        "blue.png", "green-1.png", "green-2.png", "grey.png", "red-1.png", "red-2.png", "sub/red-3.png",
    ]  # fmt: skip
    assert summary.encoded == 7
    assert np.allclose(pool.features[0].astype(float), np.array([30, 30, 225]) / 255, atol=0.02)
    assert pool.entries[0].size == (48, 48)
    assert pool.entries[0].bytes == (photos / "blue.png").stat().st_size
    assert pool.roots == (str(photos),)
    assert [(name, "broken.jpg" in reason) for _, name, reason in pool.failed] == [("broken.jpg", True)]
    assert not parts_folder(tmp_path / "x.pool").exists()


def test_only_what_is_new_or_changed_is_encoded(photos, encoders, tmp_path):
    out = tmp_path / "x.pool"
    build_pool([photos], out, encoders)
    before = out.read_bytes()
    assert build_pool([photos], out, encoders).encoded == 0
    assert out.read_bytes() == before
    paint(photos / "new.png", (250, 250, 10))
    paint(photos / "blue.png", (0, 0, 120))
    (photos / "grey.png").unlink()
    summary = build_pool([photos], out, encoders)
    assert (summary.encoded, summary.removed) == (2, 1)
    whole = build_pool([photos], tmp_path / "whole.pool", pool_encoders())
    assert whole.encoded == 7
    assert out.read_bytes() == (tmp_path / "whole.pool").read_bytes()


def test_moved_touched_and_doubled_photos_are_not_encoded_again(photos, encoders, tmp_path):
    out = tmp_path / "x.pool"
    build_pool([photos], out, encoders)
    (photos / "blue.png").rename(photos / "sub/moved.png")
    os.utime(photos / "grey.png", ns=(1, 1))
    (photos / "copy.png").write_bytes((photos / "red-1.png").read_bytes())
    summary = build_pool([photos], out, encoders)
    assert summary.encoded == 0
    assert {"sub/moved.png", "copy.png"} <= set(names(summary.pool))
    build_pool([photos], tmp_path / "whole.pool", pool_encoders())
    assert out.read_bytes() == (tmp_path / "whole.pool").read_bytes()


def test_parts_of_a_stopped_build_are_used(photos, encoders, tmp_path, monkeypatch):
    out = tmp_path / "x.pool"
    monkeypatch.setattr("ovseg.runs.pool.PART", 2)

    with monkeypatch.context() as patch:
        patch.setattr("ovseg.runs.pool.save_pool", _stopping("ovseg.runs.pool", 2))
        with pytest.raises(KeyboardInterrupt):
            build_pool([photos], out, encoders, batch=1)
    assert not out.exists()
    assert len(list(parts_folder(out).glob("*.safetensors"))) == 2
    (parts_folder(out) / f"{64 * '0'}.safetensors").write_bytes(b"half")
    summary = build_pool([photos], out, encoders, batch=1)
    assert 0 < summary.encoded < 7
    build_pool([photos], tmp_path / "whole.pool", pool_encoders(), batch=1)
    assert out.read_bytes() == (tmp_path / "whole.pool").read_bytes()


def _stopping(module, after):
    """``save_pool`` that is interrupted after so many parts."""
    from ovseg.support.pool.file import save_pool

    count = 0

    def write(path, pool):
        nonlocal count
        if count == after:
            raise KeyboardInterrupt
        count += 1
        save_pool(path, pool)

    return write


def test_batches_are_always_full(photos, encoders, tmp_path):
    build_pool([photos], tmp_path / "x.pool", encoders, batch=4)
    assert set(encoders.image_text.batches) == {4}


def test_photos_of_several_folders_are_told_apart(photos, encoders, tmp_path):
    other = tmp_path / "b" / "photos"
    paint(other / "red-1.png", (250, 10, 10))
    pool = build_pool([photos, other], tmp_path / "x.pool", encoders).pool
    assert names(pool)[0] == "photos-1/blue.png"
    assert names(pool)[-1] == "photos-2/red-1.png"
    assert pool.file(len(pool) - 1) == other / "red-1.png"


def test_folders_in_another_order_are_not_mixed_up(encoders, tmp_path):
    for name, colour in (("a", (250, 10, 10)), ("b", (10, 10, 250))):
        paint(tmp_path / name / "x.bmp", colour)
        os.utime(tmp_path / name / "x.bmp", ns=(1, 1))
    build_pool([tmp_path / "a", tmp_path / "b"], tmp_path / "x.pool", encoders)
    summary = build_pool([tmp_path / "b", tmp_path / "a"], tmp_path / "x.pool", encoders)
    assert summary.encoded == 0
    assert summary.pool.features[0, 2] > 0.9
    assert summary.pool.features[1, 0] > 0.9


def test_crops_are_views_of_their_own(encoders, tmp_path):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:20, :40, 0] = pixels[20:, 40:, 2] = 255
    (tmp_path / "p").mkdir()
    Image.fromarray(pixels).save(tmp_path / "p/corners.png")
    config = PoolConfig(crops=4)
    pool = build_pool([tmp_path / "p"], tmp_path / "x.pool", encoders, config).pool
    assert pool.owners.tolist() == [0] * 5
    whole, *windows = pool.features.astype(float)
    assert np.allclose(whole, [0.25, 0, 0.25], atol=0.01)
    assert windows[0][0] > 0.6 > windows[0][2]
    assert windows[3][2] > 0.6 > windows[3][0]
    with pytest.raises(BankMismatch, match="was built with crops=4: use the same, or overwrite=True"):
        build_pool([tmp_path / "p"], tmp_path / "x.pool", encoders)
    assert len(build_pool([tmp_path / "p"], tmp_path / "x.pool", encoders, overwrite=True).pool.owners) == 1


@pytest.mark.parametrize("crops", [0, 4, 9, 16])
def test_windows_cover_the_photo(crops):
    boxes = view_boxes(PoolConfig(crops))
    assert len(boxes) == crops + 1
    covered = np.zeros((100, 100), bool)
    for x0, y0, x1, y1 in (boxes[1:] * 100).round().astype(int):
        covered[y0:y1, x0:x1] = True
    assert covered.all() or not crops


def test_views_of_tiny_photos():
    squares = views(np.full((1, 2, 3), 7, np.uint8), view_boxes(PoolConfig(16)), 8)
    assert [s.shape for s in squares] == [(8, 8, 3)] * 17


def test_a_view_does_not_depend_on_its_company(encoders):
    generator = np.random.default_rng(0)
    squares = list(generator.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8))
    alone = [encode_views([s], encoders.image_text, encoders.device, 4)[0] for s in squares]
    together = encode_views(squares, encoders.image_text, encoders.device, 4)
    assert (np.stack(alone) == together).all()


def test_what_is_in_the_way_stays(photos, encoders, tmp_path):
    out = tmp_path / "notes.txt"
    out.write_text("not a pool")
    with pytest.raises(BankMismatch, match="it is not an ovseg pool"):
        build_pool([photos], out, encoders)
    assert out.read_text() == "not a pool"
    build_pool([photos], tmp_path / "x.pool", encoders)
    with pytest.raises(BankMismatch, match=r"made by another encoder \(mean colour 0+, not other eyes 0+\)"):
        build_pool([photos], tmp_path / "x.pool", pool_encoders("other eyes"))
    build_pool([photos], tmp_path / "x.pool", pool_encoders("other eyes"), overwrite=True)
    load_pool(tmp_path / "x.pool", pool_encoders("other eyes").image_text)


def test_nothing_to_build_of(encoders, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no images found"):
        build_pool([tmp_path / "empty"], tmp_path / "x.pool", encoders)
    (tmp_path / "empty/x.jpg").write_bytes(b"no")
    with pytest.raises(InputError, match="none of 1 photos could be read; the first: cannot read"):
        build_pool([tmp_path / "empty"], tmp_path / "x.pool", encoders)
    assert not (tmp_path / "x.pool").exists()


def test_two_builds_at_once(photos, encoders, tmp_path):
    parts = parts_folder(tmp_path / "x.pool")
    parts.mkdir()
    with folder_lock(parts), pytest.raises(OutputError, match="is in use by another run of ovseg"):
        build_pool([photos], tmp_path / "x.pool", encoders)


def test_licences_stand_with_the_photos(photos, encoders, tmp_path):
    known = {"blue.png": "CC0"}
    pool = build_pool(
        [photos], tmp_path / "x.pool", encoders, licence=lambda path: known.get(path, "unknown")
    ).pool
    assert [e.licence for e in pool.entries[:2]] == ["CC0", "unknown"]
    # A licence that becomes known later needs no encoding.
    again = build_pool([photos], tmp_path / "x.pool", encoders, licence=lambda path: "CC-BY-4.0")
    assert again.encoded == 0
    assert {e.licence for e in again.pool.entries} == {"CC-BY-4.0"}
    assert replace(again.pool.entries[0], licence="CC0") == pool.entries[0]


def test_a_source_takes_a_pool_that_is_open_already(photos, encoders, tmp_path):
    built = build_pool([photos], tmp_path / "x.pool", encoders).pool
    source = open_source("retrieval", encoders, [ClassSpec("green"), ClassSpec("red")], pool=built)
    names = [image.origin.name for image in source.images(ClassSpec("green"), 9)]
    assert names == ["green-1.png", "green-2.png"]
