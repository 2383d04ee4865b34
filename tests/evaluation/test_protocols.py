from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from ovseg.errors import UnknownName
from ovseg.evaluation.protocols import PROTOCOLS, protocol_for
from ovseg.prompts import read_lines
from ovseg.vocabulary import ClassSpec, Vocabulary


@pytest.mark.parametrize(
    ("dataset", "side", "crop", "threshold"),
    [
        ("voc21", 336, 336, 0.2),
        ("voc20", 336, 336, 0.0),
        ("context60", 336, 336, 0.15),
        ("coco-object", 336, 336, 0.25),
        ("ade20k", 448, 336, 0.0),
        ("cityscapes", 448, 224, 0.0),
    ],
)
def test_sclip_has_its_exceptions(dataset, side, crop, threshold):
    protocol = protocol_for("sclip", dataset, background=threshold > 0)
    assert (protocol.shorter_side, protocol.crop, protocol.stride, protocol.threshold) == (
        side,
        crop,
        112,
        threshold,
    )
    assert (protocol.scale, protocol.templates) == (40, "imagenet80")


def test_tcl_takes_raw_names():
    protocol = protocol_for("tcl", "voc20", background=False)
    assert (protocol.shorter_side, protocol.crop, protocol.stride) == (448, 448, 224)
    words = Vocabulary((ClassSpec("boat", synonyms=("ship",)), ClassSpec("sofa")), background=("wall",))
    raw = protocol.vocabulary(words, ("boat", "sofa"))
    assert [spec.words for spec in raw.classes] == [("boat",), ("sofa",)]
    assert raw.background == ()
    assert raw.hash != words.hash


def test_other_protocols_keep_the_vocabulary():
    words = Vocabulary((ClassSpec("boat", synonyms=("ship",)),))
    assert protocol_for("sclip", "voc20", background=False).vocabulary(words, ("boat",)) is words
    assert protocol_for("ovseg", "voc21", background=True).vocabulary(words, ("boat",)) is words


def test_background_words_come_from_the_vocabulary_or_else_from_the_protocol():
    plain = Vocabulary((ClassSpec("boat"),))
    voc = protocol_for("sclip", "voc21", background=True)
    assert len(voc.vocabulary(plain, ("boat",)).background) == 26
    assert len(protocol_for("sclip", "coco-object", background=True).background) == 17
    assert protocol_for("sclip", "folder", background=True).background == ("background",)
    assert protocol_for("sclip", "voc20", background=False).background == ()
    own = Vocabulary((ClassSpec("boat"),), background=("quay",))
    assert voc.vocabulary(own, ("boat",)) is own


def test_facts_hold_every_setting_and_the_templates_hash():
    metadata = protocol_for("sclip", "voc21", background=True).metadata()
    assert metadata["stride"] == 112
    assert len(metadata["templates_sha256"]) == 64
    assert protocol_for("ovseg", "voc21", background=True).metadata()["templates_sha256"] is None


def test_protocols_are_frozen_and_unknown_ones_are_named():
    with pytest.raises(FrozenInstanceError):
        protocol_for("tcl", "voc20", background=False).crop = 1  # type: ignore[misc]
    with pytest.raises(UnknownName, match="unknown protocol 'sclp': did you mean sclip"):
        protocol_for("sclp", "voc21", background=True)
    assert set(PROTOCOLS.names()) >= {"ovseg", "sclip", "tcl"}


@pytest.mark.parametrize(("name", "count"), [("imagenet80", 80), ("imagenet7", 7), ("simple", 1)])
def test_shipped_templates_are_distinct_and_take_one_name_each(name, count):
    templates = read_lines("templates", f"{name}.txt")
    assert len(set(templates)) == count
    assert all(template.count("{}") == 1 for template in templates)
