"""Banks in use: from Python, and from the command line, with encoders of colours."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_encoders import fake_card, fake_encoders
from PIL import Image
from support_photos import photo, support_folder
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.config import EncodingConfig, SegmentConfig
from ovseg.container import read_container
from ovseg.encoders import presets
from ovseg.encoders.roles import ModelChoice
from ovseg.errors import BankMismatch, UnknownName
from ovseg.pipeline import Segmenter, bank_matching, segmenter
from ovseg.pipeline.bank_build import BankBuildSpec
from ovseg.pipeline.bank_builder import build_prototypes
from ovseg.pipeline.bank_matching import pixel_hash
from ovseg.pipeline.banks import RunImages, bank_from_pool
from ovseg.pipeline.self_pool import SELF_BANK, SelfPool, class_confidence
from ovseg.pipeline.sources import open_source
from ovseg.prototypes import PrototypeBank, file, load_bank, merge_banks
from ovseg.support.config import BankConfig
from ovseg.vocabulary import ClassSpec, Vocabulary

CONFIG = SegmentConfig().with_settings(image_size=64, max_patches=400, refine="none")
BOXES = {"tomato": (16, 16, 48, 48), "frog": (40, 8, 80, 40), "whale": (8, 24, 40, 56)}


def things(*names: str, has_background: bool = True) -> Vocabulary:
    return Vocabulary(tuple(ClassSpec(n, kind="thing") for n in names), has_background=has_background)


def pixels_of(path: Path) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(3):
        for name, box in BOXES.items():
            photo(tmp_path / "photos" / f"{name}-{number}.png", name, box, seed=number)
    return tmp_path / "photos"


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """Tomatoes and frogs."""
    encoders, vocabulary = fake_encoders(), things("tomato", "green frog")
    source = open_source("folder", encoders, vocabulary.classes, support=support_folder(tmp_path / "support"))
    build_prototypes(
        BankBuildSpec(vocabulary, source, encoders, BankConfig(encoding=EncodingConfig(image_size=64))),
        tmp_path / "pets.bank",
    )
    return tmp_path / "pets.bank"


def test_a_bank_knows_a_name_that_the_text_side_does_not(bank: Path, photos: Path) -> None:
    # "green frog" means grey to these encoders; the bank has seen some.
    words = things("tomato", "green frog", has_background=False)
    image = pixels_of(photos / "frog-0.png")
    classifier = Segmenter(fake_encoders(), CONFIG).segment(image, words)
    shown = Segmenter(fake_encoders(), CONFIG, bank=bank).segment(image, words)
    left, top, right, bottom = BOXES["frog"]
    inside = np.zeros(image.shape[:2], bool)
    inside[top + 4 : bottom - 4, left + 4 : right - 4] = True
    assert (shown.labels[inside] == 2).all()
    assert (classifier.labels[inside] == 2).mean() <= (shown.labels[inside] == 2).mean()
    assert shown.details == {}


def test_classes_come_from_the_bank_where_none_are_given(bank: Path, photos: Path) -> None:
    result = Segmenter(fake_encoders(), CONFIG, bank=bank).segment(photos / "tomato-0.png")
    assert result.names == ("background", "tomato", "green frog")


def test_classes_that_the_bank_lacks_are_left_to_names(bank: Path, photos: Path) -> None:
    words = things("whale", "tomato")
    used = Segmenter(fake_encoders(), CONFIG, bank=bank)
    assert used.bank is not None
    assert used.bank.missing(words) == ["whale"]
    image = pixels_of(photos / "whale-0.png")
    assert used.segment(image, words).labels[40, 24] == 1
    only = things("whale", "person")
    plain = Segmenter(fake_encoders(), CONFIG).segment(image, only)
    np.testing.assert_array_equal(used.segment(image, only).labels, plain.labels)


def test_a_bank_is_found_by_synonyms_and_whatever_the_case(bank: Path) -> None:
    used = Segmenter(fake_encoders(), CONFIG, bank=bank)
    words = Vocabulary((ClassSpec("frog", synonyms=("Green Frog",)), ClassSpec("TOMATO")))
    assert used.bank is not None
    assert used.bank.class_map(words) == [1, 0]
    assert used.bank.missing(words) == []


def test_winning_prototypes_lead_to_support_regions(bank: Path, photos: Path) -> None:
    used = Segmenter(fake_encoders(), CONFIG.with_settings(keep_nearest=True), bank=bank)
    result = used.segment(photos / "frog-0.png", things("tomato", "green frog"))
    assert used.bank is not None
    table = used.bank.bank.tables["colours"]
    rows, scores = result.details["nearest_prototypes"]["colours"]
    assert rows.shape == (8, 12)
    label = int(result.labels[24, 60])
    assert label == 2
    row = int(rows[3, 7])
    assert table.classes[row] == 1
    assert table.foreground[row]
    origin = used.bank.bank.supports[used.bank.bank.regions[int(table.regions[row])].support].origin
    assert origin["name"].startswith("Green_Frog/")
    assert scores[3, 7] > 0.9


def test_another_preset_cannot_use_the_bank(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = fake_encoders()
    monkeypatch.setattr(type(encoders.image_text), "describe", lambda self: {"name": "other words"})
    with pytest.raises(BankMismatch):
        Segmenter(encoders, CONFIG, bank=bank)


def test_auto_takes_the_preset_that_made_the_bank(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def choose(name: str = "auto", *_: object) -> presets.PresetCard:
        calls.append(name)
        if name not in ("auto", "fake", "better"):
            raise UnknownName(f"unknown preset {name!r}")
        return fake_card(name)

    for module in (segmenter, bank_matching):
        monkeypatch.setattr(module, "choose_preset", choose)

    def chosen(some: PrototypeBank | Path, preset: str = "auto", backbone: str | None = None) -> str:
        Segmenter(preset, roles=ModelChoice(backbone=backbone), device="cpu", config=CONFIG, bank=some)
        return calls[-1]

    made = load_bank(bank)
    assert chosen(bank) == "fake"
    assert chosen(made) == "fake"
    assert chosen(merge_banks([made, made])) == "fake"
    assert chosen(bank, "better") == "better"
    assert chosen(bank, backbone="x") == "auto"
    assert chosen(replace(made, metadata={})) == "auto"
    assert chosen(replace(made, metadata={"preset": "a folder of another machine"})) == "auto"
    assert chosen(replace(made, metadata={"merged": [{"preset": "fake"}, {"preset": "better"}]})) == "auto"
    assert chosen(replace(made, metadata={"preset": 3, "merged": [4, {"preset": "fake"}]})) == "fake"


def own_bank(photos: Path, out: Path, *, store: bool = True) -> tuple[Segmenter, PrototypeBank, Vocabulary]:
    used, words = Segmenter(fake_encoders(), CONFIG), things("tomato", "frog", "whale")
    if store:
        used.keep_encodings(out.with_name("encoded"))
    source = SelfPool(sorted(photos.iterdir()), used.classifier_for(words), used.encode, CONFIG.fusion)
    config = replace(SELF_BANK, shots=2, encoding=EncodingConfig(image_size=64))
    build_spec = BankBuildSpec(words, source, used.encoders, config, encode=used.encode, root=source.root)
    built = build_prototypes(build_spec, out)
    return used, built.bank, words


def test_the_folder_is_its_own_pool(photos: Path, tmp_path: Path) -> None:
    used, made, words = own_bank(photos, tmp_path / "own.bank")
    for record in made.supports:
        assert record.origin["name"].startswith(words.classes[record.class_index].name)
        assert record.origin["details"]["pixels"] == pixel_hash(pixels_of(photos / record.origin["name"]))
    used.use_bank(made)
    assert used.bank is not None
    first = pixels_of(photos / made.supports[0].origin["name"])
    assert used.bank.own_supports(first) == [0]
    assert used.segment(first, words).labels[32, 32] == 1


def test_the_same_folder_gives_the_same_bank(photos: Path, tmp_path: Path) -> None:
    own_bank(photos, tmp_path / "a.bank")
    own_bank(photos, tmp_path / "b.bank")
    assert (tmp_path / "a.bank").read_bytes() == (tmp_path / "b.bank").read_bytes()


def test_only_support_that_a_person_gave_says_whether_there_is_a_class(
    bank: Path, photos: Path, tmp_path: Path
) -> None:
    given = Segmenter(fake_encoders(), CONFIG, bank=bank).bank
    assert given is not None
    assert given.resolved(CONFIG.bank).background_score == "top3_mean"
    _, made, _ = own_bank(photos, tmp_path / "own.bank")
    found = Segmenter(fake_encoders(), CONFIG, bank=made).bank
    assert found is not None
    assert found.resolved(CONFIG.bank).background_score == "max"
    assert found.resolved(CONFIG.with_settings(text_with_bank=False).bank).background_score == "top3_mean"
    assert (
        found.resolved(CONFIG.with_settings(background_score="prototypes").bank).background_score
        == "prototypes"
    )


def test_of_two_builders_at_once_one_waits_for_the_other(photos: Path, tmp_path: Path) -> None:
    words, lines, made = things("tomato", "frog", "whale"), [], []

    def build() -> None:
        used = Segmenter(fake_encoders(), CONFIG)
        source = SelfPool(sorted(photos.iterdir()), used.classifier_for(words), used.encode, CONFIG.fusion)
        config = replace(SELF_BANK, shots=2, encoding=EncodingConfig(image_size=64))
        build_spec = BankBuildSpec(words, source, used.encoders, config)
        made.append(build_prototypes(build_spec, tmp_path / "own.bank", on_message=lines.append))

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3
    assert sum(line.startswith("[") for line in lines) == len(words)
    assert {path.name for path in tmp_path.iterdir()} == {"own.bank", "own.bank.sheets", "photos"}


def test_encodings_are_kept_and_damage_is_noticed(photos: Path, tmp_path: Path) -> None:
    used = Segmenter(fake_encoders(), CONFIG)
    store = used.keep_encodings(tmp_path / "encoded")
    image = pixels_of(photos / "frog-0.png")
    first = used.encode(image)
    seen = len(used.encoders.image_text.images)  # type: ignore[attr-defined]
    second = used.encode(image)
    assert len(used.encoders.image_text.images) == seen  # type: ignore[attr-defined]
    assert torch.equal(first.text_features, second.text_features)
    assert torch.equal(first.prototype_features["words"], second.prototype_features["words"])
    file = next(store.folder.iterdir())
    file.write_bytes(file.read_bytes()[:-7])
    assert torch.equal(used.encode(image).text_features, first.text_features)
    assert len(used.encoders.image_text.images) > seen  # type: ignore[attr-defined]


def test_confidence_is_the_mean_of_the_best_patches() -> None:
    scores = torch.zeros(100, 2)
    scores[:5, 1] = torch.tensor([1.0, 0.8, 0.6, 0.4, 0.2])
    assert torch.allclose(class_confidence(scores), torch.tensor([0.0, 0.6]))


@pytest.fixture
def ovseg(monkeypatch: pytest.MonkeyPatch) -> Any:
    card = fake_card()
    for module in (presets, segmenter, bank_matching):
        monkeypatch.setattr(module, "choose_preset", lambda *_, **__: card)

    def invoke(*arguments: object) -> Any:
        result = CliRunner().invoke(application(), [str(a) for a in arguments], catch_exceptions=False)
        print(result.stderr)
        return result

    return invoke


SMALL = ("--image-size", 64, "--refine", "none", "-f", "png")


def test_segment_with_a_bank(ovseg: Any, bank: Path, photos: Path, tmp_path: Path) -> None:
    result = ovseg("segment", photos, "--bank", bank, "-o", tmp_path / "out", *SMALL)
    assert result.exit_code == 0
    names = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert names == {"0": "background", "1": "tomato", "2": "green frog"}
    about = json.loads((tmp_path / "out" / "run.json").read_text())["config"]["segmenter"]["bank"]
    assert about["classes"] == 2
    assert len(about["sha256"]) == 64


def test_a_bank_is_read_once_for_a_command(
    ovseg: Any, bank: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path, *rest: Any) -> Any:
        read.append(path)
        return read_container(path, *rest)

    monkeypatch.setattr(file, "read_container", counted)
    page = ("explain", photos / "frog-0.png", "-o", tmp_path / "why.html", "--image-size", 64)
    for command in (("segment", photos, "-o", tmp_path / "out", *SMALL), page):
        read.clear()
        assert ovseg(*command, "--bank", bank).exit_code == 0
        assert read == [bank]


def test_the_run_s_own_bank_is_built_with_the_run_s_settings(photos: Path, tmp_path: Path) -> None:
    settings = CONFIG.with_settings(synonyms="max", thing_appearance=0.0)
    used, words = Segmenter(fake_encoders(), settings), things("tomato", "frog", "whale")
    bank_from_pool(used, "self", words, RunImages(sorted(photos.iterdir()), tmp_path / "out"))
    assert used.bank is not None
    recorded = used.bank.bank.metadata["settings"]
    assert recorded["encoding"] == settings.encoding.to_dict()
    assert recorded["fusion"]["synonyms"] == "max"
    assert recorded["fusion"]["thing_appearance"] == 0.0


def test_segment_says_once_what_the_bank_lacks(ovseg: Any, bank: Path, photos: Path, tmp_path: Path) -> None:
    flags = ("-c", "tomato, whale", "--bank", bank, "-o", tmp_path / "out")
    result = ovseg("segment", photos, *flags, *SMALL)
    assert result.exit_code == 0
    assert result.stderr.count("the bank has no picture of whale") == 1


def test_segment_with_the_folder_as_its_own_pool(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    flags = ("-c", "tomato, frog, whale", "--pool", "self", *SMALL)
    result = ovseg("segment", photos, "-o", tmp_path / "out", *flags)
    assert result.exit_code == 0
    assert load_bank(tmp_path / "out.bank").metadata["source"]["source"] == "self"
    assert not (tmp_path / "out.encoded").exists()
    again = ovseg("segment", photos, "-o", tmp_path / "out", *flags)
    assert again.exit_code == 0
    assert "9 of 9 images are done" in again.stderr
    # Shards find the bank of all images, and end in the same masks.
    for shard in ("1/2", "2/2"):
        assert ovseg("segment", photos, "-o", tmp_path / "two", *flags, "--shard", shard).exit_code == 0
    for mask in (tmp_path / "out" / "masks").iterdir():
        assert mask.read_bytes() == (tmp_path / "two" / "masks" / mask.name).read_bytes()


def test_bank_and_pool_exclude_each_other(ovseg: Any, bank: Path, photos: Path, tmp_path: Path) -> None:
    flags = ("--bank", bank, "--pool", "self", "-o", tmp_path / "out")
    result = ovseg("segment", photos, *flags)
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_evaluate_with_the_folder_as_its_own_pool(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    root = data_set(photos, tmp_path / "data")
    flags = ("--no-background", "-o", tmp_path / "scores", "--pool", "self", "--image-size", 64)
    result = ovseg("evaluate", "folder", "--root", root, *flags, "--refine", "none", "--json")
    assert result.exit_code == 0
    assert (tmp_path / "scores.bank").is_file()
    assert not (tmp_path / "scores.encoded").exists()


def test_the_bench_compares_names_and_banks(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    root = data_set(photos, tmp_path / "data")
    words = tmp_path / "words.toml"
    words.write_text("".join(f'[[class]]\nname = "{name}"\nkind = "thing"\n' for name in BOXES))
    flags = ("--no-background", "--work", tmp_path / "work", "--vocabulary", words, "--json")
    flags += ("--region-weight", 0.5, "--region-weight", 1, "--segments", 2)
    result = ovseg("bench", "banks", "folder", "--root", root, *flags)
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    text = [(row["category filter"], row["region pooling"]) for row in rows if row["evidence"] == "text only"]
    assert text == [(False, 0.0), (False, 0.5), (False, 1.0), (True, 0.0)]
    assert {row["co-segmentation"] for row in rows} == {None, True, False}
    assert all(row["miou"] > 20 for row in rows)


def test_the_bench_refuses_a_vocabulary_of_another_length(ovseg: Any, photos: Path, tmp_path: Path) -> None:
    root = data_set(photos, tmp_path / "data")
    words = tmp_path / "words.toml"
    words.write_text('[[class]]\nname = "tomato"\n')
    flags = ("--no-background", "--work", tmp_path / "work", "--vocabulary", words)
    result = ovseg("bench", "banks", "folder", "--root", root, *flags)
    assert result.exit_code == 2
    assert "give one with the data set's classes in its order" in result.stderr


def test_the_bench_claims_nothing_about_how_a_given_bank_was_built(
    ovseg: Any, bank: Path, photos: Path, tmp_path: Path
) -> None:
    root = data_set(photos, tmp_path / "data")
    words = tmp_path / "words.toml"
    words.write_text("".join(f'[[class]]\nname = "{name}"\n' for name in BOXES))
    flags = ("--no-background", "--work", tmp_path / "work", "--vocabulary", words, "--json")
    result = ovseg("bench", "banks", "folder", "--root", root, *flags, "--no-self", "--bank", bank)
    assert result.exit_code == 0
    assert {row["co-segmentation"] for row in json.loads(result.stdout)} == {None}


def data_set(photos: Path, root: Path) -> Path:
    """The photos with masks: the square is its class, the rest is not scored."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for path in photos.iterdir():
        name = path.stem.split("-")[0]
        left, top, right, bottom = BOXES[name]
        truth = np.full((64, 96), 255, np.uint8)
        truth[top:bottom, left:right] = list(BOXES).index(name)
        Image.fromarray(truth).save(root / "masks" / path.name)
        Image.open(path).save(root / "images" / path.name)
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in BOXES))
    return root
