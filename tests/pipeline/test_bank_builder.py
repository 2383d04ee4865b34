"""Banks from support folders, with encoders of colours: what is found, rejected, kept and resumed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_encoders import fake_card, fake_encoders
from support_photos import mask, photo, support_folder

import ovseg
from ovseg.config import EncodingConfig, FusionConfig
from ovseg.encoders.context import LoadContext
from ovseg.encoders.presets import Preset
from ovseg.errors import BankMismatch, InputError, OutputError, UsageError
from ovseg.pipeline import bank_builder
from ovseg.pipeline.bank_build import BankBuild, BankBuildSpec
from ovseg.pipeline.bank_builder import build_prototypes, sheets_folder
from ovseg.pipeline.banks import add_classes
from ovseg.pipeline.sources import open_source
from ovseg.pipeline.support_encoder import annotation_on_grid
from ovseg.pipeline.text_classifier import text_classifier
from ovseg.prototypes import KINDS, PrototypeConfig, load_bank
from ovseg.support.base import UNKNOWN
from ovseg.support.config import BankConfig
from ovseg.support.filters import PhotoFilter
from ovseg.support.folder import FolderSource
from ovseg.vocabulary import ClassSpec, Vocabulary

CONFIG = BankConfig(encoding=EncodingConfig(image_size=64), prototypes=PrototypeConfig(parts=4))
CLASSES = Vocabulary((ClassSpec("tomato", kind="thing"), ClassSpec("green frog", ("frog",), kind="thing")))


@pytest.fixture
def support(tmp_path: Path) -> Path:
    return support_folder(tmp_path / "support")


def build(support: Path, out: Path, vocabulary: Vocabulary = CLASSES, **options: Any) -> BankBuild:
    made_of = {name: options.pop(name) for name in ("config", "photo_filter") if name in options}
    return build_prototypes(replace(build_spec(support, vocabulary), **made_of), out, **options)


def build_spec(
    support: Path, vocabulary: Vocabulary = CLASSES, encoders: Preset | None = None
) -> BankBuildSpec:
    source = FolderSource(support, vocabulary.classes)
    return BankBuildSpec(vocabulary, source, encoders or fake_encoders(), CONFIG)


def files(out: Path) -> dict[str, bytes]:
    """The bank and everything beside it."""
    found = {
        path.name: path.read_bytes() for path in sorted(out.parent.glob(f"{out.name}*")) if path.is_file()
    }
    return found | {f"sheets/{p.name}": p.read_bytes() for p in sorted(sheets_folder(out).iterdir())}


def test_prototypes_are_the_colours_of_the_marked_regions(support: Path, tmp_path: Path) -> None:
    built = build(support, tmp_path / "x.bank")
    assert [(report.name, report.used) for report in built.reports] == [("tomato", 2), ("green frog", 2)]
    bank = load_bank(tmp_path / "x.bank")
    table = bank.tables["colours"]
    strongest = table.vectors.argmax(axis=1)
    for index, channel in ((0, 0), (1, 1)):
        rows = (table.classes == index) & table.foreground
        assert rows.any()
        assert (strongest[rows] == channel).all()
    # What is around them is grey, for which the three channels are the same.
    behind = table.vectors[~table.foreground]
    assert len(behind)
    assert np.abs(behind - behind.mean(1, keepdims=True)).max() < 0.25
    assert "class" in {KINDS[kind] for kind in table.kinds}  # the others are its doubles
    texts = bank.tables["text"]
    assert set(texts.texts.values()) == {"tomato", "green frog", "frog"}


def test_every_support_image_is_on_record(support: Path, tmp_path: Path) -> None:
    bank = build(support, tmp_path / "x.bank").bank
    names = [
        (record.class_index, record.origin["name"], record.origin["licence"]) for record in bank.supports
    ]
    assert names == [
        (0, "tomato/a.png", "CC0"),
        (0, "tomato/b.png", "CC0"),
        (1, "Green_Frog/a.png", "CC0"),
        (1, "Green_Frog/b.png", "CC0"),
    ]
    assert bank.supports[0].size == (64, 96)
    assert bank.metadata["settings"]["shots"] == CONFIG.shots
    assert bank.metadata["source"]["source"] == "folder"


def test_regions_follow_mask_box_point_and_attention(support: Path, tmp_path: Path) -> None:
    bank = build(
        support,
        tmp_path / "x.bank",
        config=replace(CONFIG, prototypes=PrototypeConfig(kinds=("image",), merge=1.0)),
    ).bank
    table = bank.tables["colours"]
    boxes = [(16, 16, 48, 48), (40, 8, 80, 40), (32, 24, 64, 56), (8, 8, 48, 48)]
    rows = [int(np.flatnonzero(table.foreground)[i]) for i in range(4)]
    for row, (x0, y0, x1, y1) in zip(rows, boxes, strict=True):
        region = bank.regions[table.regions[row]]
        height, width = region.mask.shape
        truth = np.zeros((64, 96), bool)
        truth[y0:y1, x0:x1] = True
        patches = truth.reshape(height, 64 // height, width, 96 // width).mean((1, 3)) >= 0.5
        overlap = (region.mask & patches).sum() / (region.mask | patches).sum()
        assert overlap > 0.7, bank.supports[region.support].origin["name"]


def test_a_picture_twice_and_a_wrong_one_are_rejected_with_a_reason(support: Path, tmp_path: Path) -> None:
    (support / "tomato" / "c.png").write_bytes((support / "tomato" / "a.png").read_bytes())
    photo(support / "Green_Frog" / "z.png", "whale", (16, 16, 48, 48))
    lines: list[str] = []
    built = build(support, tmp_path / "x.bank", on_message=lines.append)
    assert built.reports[0].rejected == (("tomato/c.png", "the same picture as tomato/a.png"),)
    [(name, reason)] = built.reports[1].rejected
    assert name == "Green_Frog/z.png"
    assert reason
    assert lines[0].startswith("[1/2] tomato: 2 of 3 images used")
    assert "rejected tomato/c.png (the same picture as tomato/a.png)" in lines[0]
    sheet = (sheets_folder(tmp_path / "x.bank") / "0002-green-frog.html").read_text()
    assert "Green_Frog/z.png" in sheet
    assert f"rejected: {reason}" in sheet.replace("&#x27;", "'")
    assert sheet.count("data:image/jpeg") == 3
    index = (sheets_folder(tmp_path / "x.bank") / "index.html").read_text()
    assert '<a href="0001-tomato.html">tomato</a>: 2 of 3 images used' in index
    page = (sheets_folder(tmp_path / "x.bank") / "0001-tomato.html").read_text()
    assert '<h1>tomato</h1>\n<p class="soft">2 of 3 images used' in page


def test_lists_choose_images(support: Path, tmp_path: Path) -> None:
    built = build(support, tmp_path / "x.bank", photo_filter=PhotoFilter(deny=("*/b.png",)))
    assert [record.origin["name"] for record in built.bank.supports] == ["tomato/a.png", "Green_Frog/a.png"]
    sha256 = built.bank.supports[0].origin["sha256"]
    only = build(support, tmp_path / "y.bank", photo_filter=PhotoFilter(allow=(sha256[:12], "Green_Frog/b*")))
    assert [record.origin["name"] for record in only.bank.supports] == ["tomato/a.png", "Green_Frog/b.png"]


def test_shots_limit_the_images(support: Path, tmp_path: Path) -> None:
    built = build(support, tmp_path / "x.bank", config=replace(CONFIG, shots=1))
    assert [report.used for report in built.reports] == [1, 1]


def test_a_class_without_support_keeps_its_texts(support: Path, tmp_path: Path) -> None:
    more = Vocabulary((*CLASSES.classes, ClassSpec("whale")))
    built = build(support, tmp_path / "x.bank", more)
    assert built.unsupported == ("whale",)
    assert built.reports[2].line() == "whale: no support image found"
    assert "whale" in built.bank.tables["text"].texts.values()


def test_no_support_at_all_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "support" / "tomato").mkdir(parents=True)
    with pytest.raises(InputError, match="no class got any support image"):
        build(tmp_path / "support", tmp_path / "x.bank")
    assert not (tmp_path / "x.bank").exists()


def test_the_same_call_gives_the_same_bytes(support: Path, tmp_path: Path) -> None:
    build(support, tmp_path / "a" / "x.bank")
    build(support, tmp_path / "b" / "x.bank")
    assert files(tmp_path / "a" / "x.bank") == files(tmp_path / "b" / "x.bank")


class Killed(Exception):
    pass


def test_a_stopped_build_goes_on_and_gives_the_same_bytes(support: Path, tmp_path: Path) -> None:
    build(support, tmp_path / "whole" / "x.bank")
    out = tmp_path / "stopped" / "x.bank"

    def stop(line: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        build(support, out, on_message=stop)
    assert not out.exists()
    work = out.with_name("x.bank.work")
    assert [path.name for path in sorted(work.iterdir())] == ["class-000000.bank", "plan.json"]
    lines: list[str] = []
    built = build(support, out, on_message=lines.append)
    assert built.resumed == 1
    assert [line[:5] for line in lines] == ["[2/2]"]
    assert files(out) == files(tmp_path / "whole" / "x.bank")
    assert not work.exists()


def test_damaged_work_and_work_of_another_plan_are_not_used(support: Path, tmp_path: Path) -> None:
    build(support, tmp_path / "whole" / "x.bank")
    out = tmp_path / "x.bank"

    def stop(line: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        build(support, out, on_message=stop)
    kept = out.with_name("x.bank.work") / "class-000000.bank"
    kept.write_bytes(kept.read_bytes()[:-3])
    assert build(support, out).resumed == 0
    assert out.read_bytes() == (tmp_path / "whole" / "x.bank").read_bytes()
    out.unlink()
    with pytest.raises(Killed):
        build(support, out, on_message=stop, config=replace(CONFIG, shots=1))
    assert build(support, out).resumed == 0
    assert out.read_bytes() == (tmp_path / "whole" / "x.bank").read_bytes()


def test_somebody_elses_folder_is_left_alone(support: Path, tmp_path: Path) -> None:
    (tmp_path / "x.bank.work").mkdir()
    (tmp_path / "x.bank.work" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="is in the way"):
        build(support, tmp_path / "x.bank")
    assert (tmp_path / "x.bank.work" / "mine.txt").read_text() == "mine"


def test_a_finished_bank_is_kept_and_another_one_refused(support: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.bank"
    build(support, out)
    data = out.read_bytes()
    assert build(support, out).resumed == 2
    assert out.read_bytes() == data
    with pytest.raises(OutputError, match="is another bank"):
        build(support, out, config=replace(CONFIG, shots=1))
    assert out.read_bytes() == data
    build(support, out, config=replace(CONFIG, shots=1), overwrite=True)
    assert out.read_bytes() != data


def test_a_preset_without_spaces_is_refused(support: Path, tmp_path: Path) -> None:
    encoders = Preset(replace(fake_card(), spaces=()), LoadContext())
    with pytest.raises(UsageError, match="no features for prototypes"):
        build_prototypes(build_spec(support, encoders=encoders), tmp_path / "x.bank")


def test_added_classes_come_once_even_after_a_kill(support: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.bank"
    build(support, out)
    more = tmp_path / "more"
    mask(photo(more / "whale" / "a.png", "whale", (16, 16, 48, 48)), (16, 16, 48, 48))
    whales = Vocabulary((ClassSpec("whale", kind="thing"),))

    def add() -> BankBuild:
        return add_classes(load_bank(out), build_spec(more, whales), out)

    add()
    first = out.read_bytes()
    bank = load_bank(out)
    assert [spec.name for spec in bank.classes] == ["tomato", "green frog", "whale"]
    assert [record.origin["name"] for record in bank.supports][-1] == "whale/a.png"
    # As if the first call had been killed after it had written the bank.
    add()
    assert out.read_bytes() == first
    assert not out.with_name("x.bank.added").exists()


def test_adding_with_other_encoders_is_refused(support: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.bank"
    build(support, out)
    encoders = fake_encoders()
    encoders.backbone.describe = lambda: {"name": "other colours"}  # type: ignore[method-assign]
    with pytest.raises(BankMismatch, match=r"colours .*other colours"):
        add_classes(load_bank(out), build_spec(support, encoders=encoders), out)


def test_the_door_in_python(support: Path, tmp_path: Path) -> None:
    bank = ovseg.build_bank(
        ["tomato", "frog=green frog"],
        str(support),
        tmp_path / "x.bank",
        encoders=fake_encoders(),
        config=CONFIG,
    )
    assert [spec.name for spec in bank.classes] == ["tomato", "frog"]
    assert (tmp_path / "x.bank").is_file()


def test_sources_say_what_they_need() -> None:
    with pytest.raises(UsageError, match="the source folder needs support="):
        open_source("folder", fake_encoders(), CLASSES.classes)
    with pytest.raises(UsageError, match="unknown support source 'foldr': did you mean folder"):
        open_source("foldr", fake_encoders(), CLASSES.classes)


def test_marks_are_shares_of_what_is_said_of_a_cell() -> None:
    mark = np.full((4, 6), UNKNOWN, np.uint8)
    mark[:2, :2] = [[1, 1], [0, 0]]
    mark[2, 2] = 1
    shares = annotation_on_grid(mark, (2, 3)).reshape(2, 3).numpy()
    np.testing.assert_array_equal(shares, [[0.5, np.nan, np.nan], [np.nan, 1, np.nan]])


def test_a_mark_too_small_for_any_cell_still_counts() -> None:
    mark = np.full((20, 20), UNKNOWN, np.uint8)
    mark[3, 3] = 1
    shares = annotation_on_grid(mark, (2, 2)).numpy()
    np.testing.assert_array_equal(shares, [1, np.nan, np.nan, np.nan])
    assert annotation_on_grid(np.full((4, 4), UNKNOWN, np.uint8), (2, 2)).isnan().all()


def test_synonyms_count_as_the_settings_say(
    support: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def counted(vocabulary: Vocabulary, image_text: Any, config: FusionConfig) -> Any:
        seen.append(config.synonyms)
        return text_classifier(vocabulary, image_text, config)

    monkeypatch.setattr(bank_builder, "text_classifier", counted)
    spec = replace(build_spec(support), config=replace(CONFIG, fusion=FusionConfig(synonyms="max")))
    built = build_prototypes(spec, tmp_path / "x.bank").bank
    assert seen == ["max"]
    assert built.metadata["settings"]["fusion"]["synonyms"] == "max"


def test_facts_are_plain_json(support: Path, tmp_path: Path) -> None:
    bank = build(support, tmp_path / "x.bank").bank
    assert json.loads(json.dumps(dict(bank.metadata))) == dict(bank.metadata)


def test_text_prototypes_use_the_templates_that_the_encoder_has(support: Path, tmp_path: Path) -> None:
    encoders = fake_encoders()
    names: Any = encoders.image_text
    names.mean, names.logit_scale = (0.5, 0.5, 0.5), 1.0
    names.encode_words = lambda words, templates=None: names.encode_text([f"a {word}" for word in words])
    plain = names.describe()
    names.describe = lambda: plain | {"templates": "simple"}
    bank = build_prototypes(build_spec(support, encoders=encoders), tmp_path / "x.bank").bank
    texts = bank.tables["text"]
    rows = [row for row in range(len(texts)) if texts.texts[row] == "frog"]
    np.testing.assert_array_equal(texts.vectors[rows[0]], names.encode_text(["a frog"])[0].numpy())
    assert len(str(texts.identity["templates_sha256"])) == 64
    assert "templates_sha256" not in fake_encoders().fingerprints()["text"]
