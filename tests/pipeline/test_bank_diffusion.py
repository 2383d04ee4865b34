"""From names to a bank through a tiny real pipeline: pictures, attribution, regions, prototypes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_encoders import fake_card, fake_encoders
from PIL import Image
from support_photos import photo
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.config import SegmentConfig
from ovseg.encoders import presets
from ovseg.errors import InputError
from ovseg.pipeline import Segmenter
from ovseg.pipeline.bank_build import BankBuildSpec
from ovseg.prototypes import load_bank

Invoke = Callable[..., Any]


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    card = fake_card()
    monkeypatch.setattr(presets, "choose_preset", lambda *_, **__: card)

    def invoke(*arguments: object) -> Any:
        return CliRunner().invoke(
            application(), ["bank", *(str(a) for a in arguments)], catch_exceptions=False
        )

    return invoke


def flags(model: Path, out: Path, generated: Path) -> tuple[object, ...]:
    # What a random model draws shows nothing: any picture is kept.
    checks = ("--margin", "-100")
    return (
        *("build", "-c", "cat, dog", "--source", "diffusion", "--model", model, "-o", out),
        *("--shots", 3, "--steps", 2, "--generate-batch", 2, "--generated", generated, *checks),
        *("--image-size", 64, "--parts", 2),
    )


def test_a_bank_of_generated_pictures(bank: Invoke, tiny_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "pets.bank"
    result = bank(*flags(tiny_folder, out, tmp_path / "pictures"))
    assert result.exit_code == 0, result.stderr
    assert "cat: 3 of 3 generated pictures kept" in result.stderr
    made = load_bank(out)
    assert [spec.name for spec in made.classes] == ["cat", "dog"]
    assert made.metadata["source"]["model"]["name"] == "tiny"
    assert {record.class_index for record in made.supports} == {0, 1}
    for record in made.supports:
        details = record.origin["details"]
        word = made.classes[record.class_index].name
        assert record.origin["source"] == "diffusion"
        assert details["prompt"] == f"a good picture of a {word}"
        assert details["seed"] in (42, 43, 44)
        sidecar = (tmp_path / "pictures" / record.origin["name"]).with_suffix(".json")
        assert json.loads(sidecar.read_text())["sha256"] == record.origin["sha256"]
    # Regions are where the model drew the word: brighter in attribution than what is surely not the class.
    assert sum(region.mask.sum() for region in made.regions) > 0
    for table in made.tables.values():
        np.testing.assert_allclose(np.linalg.norm(table.vectors, axis=1), 1, atol=1e-4)


def test_a_photo_is_segmented_with_it(bank: Invoke, tiny_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "pets.bank"
    assert bank(*flags(tiny_folder, out, tmp_path / "pictures")).exit_code == 0
    segmenter = Segmenter(fake_encoders(), SegmentConfig().with_settings(image_size=64), bank=out)
    support = next((tmp_path / "pictures").rglob("*cat*/0000000042.png"))
    with Image.open(support) as image:
        larger = image.resize((96, 64))
    result = segmenter.segment(larger)
    assert result.names == ("background", "cat", "dog")
    assert result.labels.shape == (64, 96)
    assert set(np.unique(result.labels)) <= {0, 1, 2}


def test_made_anew_it_is_the_same_to_the_byte(bank: Invoke, tiny_folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        out = tmp_path / f"{name}.bank"
        assert bank(*flags(tiny_folder, out, tmp_path / name)).exit_code == 0
    assert (tmp_path / "one.bank").read_bytes() == (tmp_path / "two.bank").read_bytes()


def test_the_number_of_pictures_is_ovdiffs_unless_said(
    bank: Invoke, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def build(build_spec: BankBuildSpec, out: Path, **_: Any) -> None:
        calls.append(build_spec.config.shots)
        raise InputError("enough")

    monkeypatch.setattr("ovseg.pipeline.bank_builder.build_prototypes", build)
    words = flags(tiny_folder, tmp_path / "a.bank", tmp_path / "pictures")
    at = words.index("--shots")
    for shots in (words[at : at + 2], ()):
        bank(*words[:at], *words[at + 2 :], *shots)
    assert calls == [3, 32]


def test_a_model_that_is_not_here(bank: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    result = bank("build", "-c", "cat", "--source", "diffusion", "-o", tmp_path / "a.bank")
    assert result.exit_code == 4
    assert "hf download stable-diffusion-v1-5/stable-diffusion-v1-5" in result.stderr
    assert not (tmp_path / "a.bank").exists()


def test_auto_takes_from_the_pool_what_it_holds(
    bank: Invoke, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        box = (2 * number, 3, 96, 64)
        photo(tmp_path / "photos" / f"{number}.png", "tomato", box, seed=number)
    pool = tmp_path / "photos.pool"
    made = CliRunner().invoke(application(), ["pool", "build", str(tmp_path / "photos"), "-o", str(pool)])
    assert made.exit_code == 0, made.stderr
    out = tmp_path / "mixed.bank"
    words = [*flags(tiny_folder, out, tmp_path / "pictures")]
    words[words.index("cat, dog")] = "tomato, cat"
    words[words.index("diffusion")] = "auto"
    result = bank(*words, "--pool", pool)
    assert result.exit_code == 0, result.stderr
    assert "tomato: retrieved, since 3 photos of the pool surely show it" in result.stderr
    assert "cat: generated, since" in result.stderr
    sources = {(record.class_index, record.origin["source"]) for record in load_bank(out).supports}
    assert sources == {(0, "retrieval"), (1, "diffusion")}
    for record in load_bank(out).supports:
        assert "photos of the pool surely show it" in record.origin["details"]["auto"]


def test_auto_needs_no_model_where_the_pool_holds_all(
    bank: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for number in range(3):
        photo(tmp_path / "photos" / f"{number}.png", "frog", (5 * number, 6, 94, 62), seed=number)
    pool, out = tmp_path / "photos.pool", tmp_path / "a.bank"
    CliRunner().invoke(application(), ["pool", "build", str(tmp_path / "photos"), "-o", str(pool)])
    small = ("--image-size", 64, "--parts", 2)
    result = bank("build", "-c", "frog", "--source", "auto", "--pool", pool, "-o", out, *small)
    assert result.exit_code == 0, result.stderr
    assert load_bank(out).metadata["source"]["generation"]["model"] is None
    other = bank(
        "build", "-c", "frog, cat", "--source", "auto", "--pool", pool, "-o", tmp_path / "b.bank", *small
    )
    assert other.exit_code == 4
    assert "cat must be generated" in other.stderr
    assert "hf download" in other.stderr
