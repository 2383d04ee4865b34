"""The support source: photos of a class with where they come from."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pool_fakes import pool_encoders

from ovseg.errors import BankMismatch, UsageError
from ovseg.pipeline.sources import open_source
from ovseg.runs.pool import build_pool
from ovseg.support.base import SUPPORT_SOURCES, SupportSource
from ovseg.support.pool.config import RetrievalConfig
from ovseg.vocabulary import ClassSpec

CLASSES = (ClassSpec("scarlet", synonyms=("red",)), ClassSpec("green"), ClassSpec("blue"))


@pytest.fixture
def path(photos, encoders, tmp_path):
    build_pool([photos], tmp_path / "x.pool", encoders, licence=lambda path: "CC0")
    return tmp_path / "x.pool"


@pytest.fixture
def source(path, encoders) -> SupportSource:
    return open_source("retrieval", encoders, CLASSES, pool=path)


def test_photos_of_a_class_with_their_origin(source, photos):
    images = list(source.images(ClassSpec("green"), 5))
    assert [image.origin.name for image in images] == ["green-1.png", "green-2.png"]
    assert (images[0].pixels == np.asarray(Image.open(photos / "green-1.png"))).all()
    origin = images[0].origin
    assert (origin.source, origin.licence) == ("retrieval", "CC0")
    assert len(origin.sha256) == 64
    assert origin.details["rank"] == 1
    assert origin.details["similarity"] > images[1].origin.details["similarity"]
    assert set(origin.details) == {"rank", "similarity", "probability", "margin"}


def test_shots_and_synonyms(source):
    names = [image.origin.name for image in source.images(CLASSES[0], 2)]
    assert names == ["red-1.png", "red-2.png"]


def test_a_margin_leaves_out_what_hardly_shows_the_class(path, encoders, source):
    sure = list(source.images(CLASSES[1], 9))
    least = min(image.origin.details["margin"] for image in sure)
    strict = open_source(
        "retrieval", encoders, CLASSES, pool=path, config=RetrievalConfig(margin=least + 1e-3)
    )
    assert len(list(strict.images(CLASSES[1], 9))) == len(sure) - 1
    assert strict.describe() != source.describe()


def test_the_same_call_gives_the_same(path, encoders):
    def everything():
        source = open_source("retrieval", encoders, CLASSES, pool=path)
        return [[(i.origin, i.pixels.tobytes()) for i in source.images(spec, 9)] for spec in CLASSES]

    assert everything() == everything()
    first, second = (open_source("retrieval", encoders, CLASSES, pool=path).describe() for _ in range(2))
    assert first == second
    assert open_source("retrieval", encoders, CLASSES[:1], pool=path).describe() != first


def test_photos_that_are_gone_or_changed(source, photos):
    (photos / "green-1.png").write_bytes((photos / "blue.png").read_bytes())
    with pytest.raises(BankMismatch, match=r"green-1.png of the pool is not at .*gone or has changed"):
        list(source.images(ClassSpec("green"), 5))


def test_photos_that_were_moved(path, encoders, photos, tmp_path):
    photos.rename(tmp_path / "elsewhere")
    source = open_source("retrieval", encoders, CLASSES, pool=path, photos=[tmp_path / "elsewhere"])
    assert len(list(source.images(ClassSpec("green"), 5))) == 2
    with pytest.raises(UsageError, match="the pool has 1 folders"):
        open_source("retrieval", encoders, CLASSES, pool=path, photos=[tmp_path, tmp_path])


def test_without_a_pool_or_with_another_encoder(path, encoders):
    with pytest.raises(UsageError, match="the source retrieval needs pool="):
        open_source("retrieval", encoders, CLASSES)
    with pytest.raises(BankMismatch, match="made by another encoder"):
        open_source("retrieval", pool_encoders("other"), CLASSES, pool=path)
    assert "retrieval" in SUPPORT_SOURCES
