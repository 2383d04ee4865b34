"""What an encoder makes of names, with a text space that can be worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from fake_encoders import fake_card

from ovseg.errors import UsageError
from ovseg.pipeline import name_report
from ovseg.pipeline.name_report import explain_names, known_words
from ovseg.vocabulary import ClassSpec, Vocabulary

ANGLES = {"sofa": 0, "couch": 5, "settee": 8, "chair": 20, "bed": 45, "table": 60, "sky": 90, "soft seat": 10}


class Compass:
    """Words are directions in a plane; unknown ones point back."""

    synonym_cosine = None
    templates = "simple"

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        angle = torch.deg2rad(torch.tensor([float(ANGLES.get(text, 180)) for text in texts]))
        return torch.stack([angle.cos(), angle.sin()], dim=1)


@pytest.fixture(autouse=True)
def _few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        name_report, "known_words", lambda: ("sofa", "couch", "settee", "chair", "bed", "table", "sky")
    )


def ask(*targets: ClassSpec, vocabulary: Vocabulary | None = None, **options: Any) -> list[Any]:
    return explain_names(targets, vocabulary, Compass(), **options)  # type: ignore[arg-type]


def test_near_words_come_in_order_without_the_classes_own():
    (report,) = ask(ClassSpec("sofa", synonyms=("couch",)), top=3)
    assert [entry.name for entry in report.nearest] == ["settee", "chair", "bed"]
    # settee is 3 degrees from couch, the nearer of the two words.
    assert report.nearest[0].cosine == pytest.approx(0.9986, abs=1e-4)
    assert report.nearest[0].share == pytest.approx(4 / 5)
    assert report.known == 5


def test_the_other_classes_are_ranked_and_the_likely_ones_marked():
    vocabulary = Vocabulary(
        (ClassSpec("sky"), ClassSpec("armchair", synonyms=("soft seat",)), ClassSpec("bed"))
    )
    (report,) = ask(ClassSpec("sofa"), vocabulary=vocabulary)
    assert [entry.name for entry in report.others] == ["armchair", "bed", "sky"]
    assert [entry.share for entry in report.others] == pytest.approx([4 / 6, 2 / 6, 0.0], abs=1e-4)
    assert not any(entry.likely for entry in report.others)
    (report,) = ask(ClassSpec("table"), vocabulary=Vocabulary((ClassSpec("bed"), ClassSpec("chair"))))
    assert report.others[0].name == "bed"
    assert not report.others[0].likely  # the word bed is itself among the known ones: not farther than itself
    (report,) = ask(
        ClassSpec("sky"), vocabulary=Vocabulary((ClassSpec("sky"), ClassSpec("bed", synonyms=("sky",))))
    )
    assert [(entry.name, entry.likely) for entry in report.others] == [("bed", True)]


def test_names_without_a_list_compete_with_each_other():
    sofa, bed = ask(ClassSpec("sofa"), ClassSpec("bed"))
    assert [entry.name for entry in sofa.others] == ["bed"]
    assert [entry.name for entry in bed.others] == ["sofa"]


def test_attributes_looks_and_templates_are_told():
    spec = ClassSpec(
        "sofa", attributes=("soft seat", "blue sky"), appearance=("place: bottom",), negatives=("bed",)
    )
    (report,) = ask(spec, templates=("a {}.", "the {}."))
    assert report.examples == ("a sofa.", "the sofa.")
    assert report.templates == "simple"
    assert dict(report.attributes)["soft seat"] == pytest.approx(0.9848, abs=1e-4)
    assert dict(report.attributes)["blue sky"] == pytest.approx(-1.0)
    table = json.loads(json.dumps(report.to_dict()))
    assert table["negatives"] == ["bed"]
    assert table["appearance"] == ["place: bottom"]
    assert table["kind"] == "thing"  # from the lexicon


def test_no_names_are_refused():
    with pytest.raises(UsageError, match='write ovseg names "sofa"'):
        ask()


def test_the_known_words_are_the_shipped_ones():
    words = known_words()
    assert {"sofa", "grass", "wall"} <= set(words)
    assert len(words) == len(set(words)) > 300


def test_the_command_prints_a_report_on_each_name(
    ovseg_command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ovseg.encoders import presets

    monkeypatch.setattr(presets, "choose_preset", lambda *_, **__: fake_card())
    result = ovseg_command("names", "tomato", "-c", "tomato, frog, whale", "--preset", "fake")
    assert result.exit_code == 0
    assert result.stdout.startswith("tomato\n")
    assert "none: as it stands" in result.stdout
    assert "frog" in result.stdout
    result = ovseg_command("names", "tomato", "--json", "-q")
    assert json.loads(result.stdout)[0]["words"] == ["tomato"]
    assert ovseg_command("names").exit_code == 2


@pytest.fixture
def ovseg_command() -> Any:
    from typer.testing import CliRunner

    from ovseg.cli.app import application

    return lambda *arguments: CliRunner().invoke(application(), list(arguments), catch_exceptions=False)
