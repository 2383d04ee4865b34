from __future__ import annotations

import evaluation_trees as trees
import numpy as np
import pytest
from evaluation_fakes import ColourSegmenter, painted_folder, vocabulary_of

from ovseg.errors import UsageError
from ovseg.evaluation.bootstrap import BootstrapSettings
from ovseg.evaluation.compare import compare, comparison_markdown
from ovseg.evaluation.datasets.folder import load_folder
from ovseg.evaluation.predictions import SegmenterPredictor
from ovseg.evaluation.protocols import protocol_for
from ovseg.evaluation.runner import EvaluationSettings, evaluate

CLASSES = ("background", "cat", "dog")
FEW = BootstrapSettings(replicates=200)


def run(root, out, *, shift=0, limit=None):
    data = load_folder(root, background=True).limited(limit)
    vocabulary = vocabulary_of(data.foreground)
    predictor = SegmenterPredictor(ColourSegmenter(shift=shift), vocabulary, data)
    protocol = protocol_for("ovseg", "folder", background=True)
    evaluate(data, predictor, vocabulary, protocol, out, settings=EvaluationSettings(bootstrap=FEW))
    return out


def test_a_run_against_itself_differs_in_nothing(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 6, noise=0.3)
    a, b = (run(tmp_path / "data", tmp_path / name) for name in "ab")
    comparison = compare(a, b, FEW)
    assert comparison["differs"] == []
    for entry in (*comparison["figures"].values(), *comparison["per_class"].values()):
        assert entry["difference"] == 0
        assert entry["interval"] == [0, 0]
        assert entry["share_above"] == 0


def test_a_class_that_is_nowhere_has_no_figures(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 2)
    (tmp_path / "data/classes.txt").write_text("\n".join((*CLASSES, "unicorn")))
    a, b = (run(tmp_path / "data", tmp_path / name) for name in "ab")
    assert "| unicorn | – | – | – | – | – |" in comparison_markdown(compare(a, b, FEW))


def test_a_better_run_is_better_in_every_redraw(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 6, noise=0.1)
    worse, better = run(tmp_path / "data", tmp_path / "a", shift=1), run(tmp_path / "data", tmp_path / "b")
    comparison = compare(worse, better, FEW)
    entry = comparison["figures"]["miou"]
    assert entry["difference"] == pytest.approx(entry["b"] - entry["a"])
    assert entry["interval"][0] > 0.5
    assert entry["share_above"] == 1
    assert comparison["differs"] == ["predictor"]
    text = comparison_markdown(comparison)
    assert "| miou | " in text
    assert "| 100.0 % |" in text


def test_only_like_is_compared_with_like(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 4)
    painted_folder(tmp_path / "other", ("background", "cow", "dog"), 4)
    whole, part = run(tmp_path / "data", tmp_path / "a"), run(tmp_path / "data", tmp_path / "b", limit=2)
    with pytest.raises(UsageError, match="on different images"):
        compare(whole, part)
    with pytest.raises(UsageError, match="on different classes"):
        compare(whole, run(tmp_path / "other", tmp_path / "c"))


def test_other_truths_are_refused(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 2)
    a = run(tmp_path / "data", tmp_path / "a")
    trees.write_mask(tmp_path / "data/masks/photo001.png", np.zeros((41, 48)))
    with pytest.raises(UsageError, match="different truths of photo001"):
        compare(a, run(tmp_path / "data", tmp_path / "b"))


def test_an_unfinished_run_is_refused(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 4)
    a, b = (run(tmp_path / "data", tmp_path / name) for name in "ab")
    journal = b / "records.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(UsageError, match="finish both runs"):
        compare(a, b)
