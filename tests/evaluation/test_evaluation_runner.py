from __future__ import annotations

import json

import evaluation_trees as trees
import numpy as np
import pytest
from evaluation_fakes import ColourSegmenter, painted, painted_folder, vocabulary_of
from PIL import Image

from ovseg.errors import DatasetError, OutputError, UsageError
from ovseg.evaluation.bootstrap import BootstrapSettings
from ovseg.evaluation.datasets.folder import load_folder
from ovseg.evaluation.merge import merge
from ovseg.evaluation.predictions import SegmenterPredictor
from ovseg.evaluation.protocols import protocol_for
from ovseg.evaluation.runner import EvaluationSettings, evaluate

CLASSES = ("background", "cat", "dog")
FEW = BootstrapSettings(replicates=50)


@pytest.fixture(autouse=True)
def _one_commit(monkeypatch):
    monkeypatch.setattr("ovseg.evaluation.runner.code_commit", lambda: "abc")


def run(root, out, *, background=True, segmenter=None, limit=None, **settings):
    data = load_folder(root, background=background).limited(limit)
    vocabulary = vocabulary_of(data.foreground, background=background)
    predictor = SegmenterPredictor(segmenter or ColourSegmenter(), vocabulary, data)
    protocol = protocol_for("ovseg", "folder", background=background)
    settings = EvaluationSettings(**({"bootstrap": FEW} | settings))
    return evaluate(data, predictor, vocabulary, protocol, out, settings=settings).results


def test_perfect_predictions_score_one(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 5)
    results = run(tmp_path / "data", tmp_path / "out")
    for name in ("miou", "pixel_accuracy", "mean_accuracy", "boundary_iou"):
        assert results[name] == 1
    assert results["frequency_weighted_iou"] == pytest.approx(1)
    assert results["intervals"]["miou"] == [1, 1]
    assert {entry["iou"] for entry in results["per_class"].values()} == {1}
    assert results["classes_at_zero"] == results["absent_classes"] == []


def test_perfect_without_background(tmp_path):
    # Photos show label i for class i - 1: what a segmenter answers when nothing is background.
    truths = {f"p{i}": trees.random_values(3, (16, 20), i) for i in range(3)}
    pixels = {name: painted(np.where(t == 255, 255, t + 1)) for name, t in truths.items()}
    trees.folder(tmp_path / "data", ("sky", "cat", "dog"), truths, pixels)
    assert run(tmp_path / "data", tmp_path / "out", background=False)["miou"] == 1


def test_constant_background_by_hand(tmp_path):
    truth = np.zeros((10, 10), np.uint8)
    truth[:2] = 1
    truth[2, :5] = 255
    trees.folder(tmp_path / "data", CLASSES, {"a": truth}, {"a": painted(np.zeros_like(truth))})
    results = run(tmp_path / "data", tmp_path / "out")
    assert results["per_class"]["background"]["iou"] == 75 / 95
    assert results["per_class"]["cat"]["iou"] == 0
    assert results["per_class"]["dog"]["iou"] is None
    assert results["miou"] == pytest.approx(75 / 95 / 2, abs=1e-15)
    assert results["classes_at_zero"] == ["cat"]
    assert results["absent_classes"] == ["dog"]


def test_calibration_comes_from_the_confidence(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 2)
    calibration = run(tmp_path / "data", tmp_path / "out")["calibration"]
    # All right, at confidences spread over 0 to 1: the gap is one half.
    assert calibration["error"] == pytest.approx(0.5, abs=0.03)
    assert sum(point["pixels"] for point in calibration["curve"]) > 0


def test_results_say_what_they_depend_on(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 3)
    run(tmp_path / "data", tmp_path / "out", limit=2)
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["protocol"]["name"] == "ovseg"
    assert results["hashes"]["vocabulary"] == vocabulary_of(CLASSES[1:]).hash
    assert results["predictor"]["preset"] == "colours"
    assert results["ovseg"] == {"version": "0.1.0", "commit": "abc"}
    assert results["notes"] == ["only the first 2 of 3 images"]
    assert results["images"] == 2


def test_another_batch_size_or_call_changes_no_byte(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 7, noise=0.2)
    for batch, name in ((1, "a"), (3, "b"), (50, "c")):
        run(tmp_path / "data", tmp_path / name, batch_size=batch)
    texts = {(tmp_path / name / "results.json").read_bytes() for name in "abc"}
    assert len(texts) == 1
    run(tmp_path / "data", tmp_path / "a")  # nothing left to do: written again as it was
    assert (tmp_path / "a/results.json").read_bytes() in texts


def test_a_cut_journal_is_mended_at_the_last_whole_batch(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 8, noise=0.2)
    run(tmp_path / "data", tmp_path / "out", batch_size=2)
    expected = (tmp_path / "out/results.json").read_bytes()
    journal = tmp_path / "out/records.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:6]) + lines[6][:25])  # header, five images, a piece of the sixth
    segmenter = ColourSegmenter()
    run(tmp_path / "data", tmp_path / "out", batch_size=2, segmenter=segmenter)
    assert segmenter.batches == [2, 2]
    assert (tmp_path / "out/results.json").read_bytes() == expected


@pytest.mark.parametrize("shards", [2, 3])
def test_merged_shards_are_the_unbroken_run(tmp_path, shards):
    painted_folder(tmp_path / "data", CLASSES, 20, noise=0.3)
    run(tmp_path / "data", tmp_path / "whole")
    parts = []
    for i in range(1, shards + 1):
        parts.append(tmp_path / f"part{i}")
        results = run(tmp_path / "data", parts[-1], shard=(i, shards))
        assert any("only shard" in note for note in results["notes"])
    merge(parts[::-1], tmp_path / "merged")
    for name in ("results.json", "results.md", "results.html", "confusion.csv", "records.jsonl"):
        assert (tmp_path / "merged" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_merge_refuses_gaps_doubles_and_strangers(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 6)
    for i in (1, 2):
        run(tmp_path / "data", tmp_path / f"part{i}", shard=(i, 2))
    run(tmp_path / "data", tmp_path / "other", segmenter=ColourSegmenter(shift=1))
    with pytest.raises(OutputError, match="image 2 of 6 is in no folder"):
        merge([tmp_path / "part1"], tmp_path / "m")
    with pytest.raises(OutputError, match="is in two of the folders"):
        merge([tmp_path / "part1", tmp_path / "part1"], tmp_path / "m")
    with pytest.raises(UsageError, match="different evaluations"):
        merge([tmp_path / "part1", tmp_path / "other"], tmp_path / "m")
    with pytest.raises(OutputError, match="holds no evaluation"):
        merge([tmp_path / "data"], tmp_path / "m")
    assert not (tmp_path / "m/results.json").exists()


def test_another_evaluation_is_refused_or_overwritten(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 3)
    run(tmp_path / "data", tmp_path / "out")
    with pytest.raises(OutputError, match=r"another evaluation \(other predictor\)"):
        run(tmp_path / "data", tmp_path / "out", segmenter=ColourSegmenter(shift=1))
    with pytest.raises(OutputError, match="other shard"):
        run(tmp_path / "data", tmp_path / "out", shard=(1, 2))
    results = run(tmp_path / "data", tmp_path / "out", segmenter=ColourSegmenter(shift=1), overwrite=True)
    assert results["miou"] < 0.1


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 1)
    with pytest.raises(OutputError, match="holds other files and no evaluation"):
        run(tmp_path / "data", tmp_path / "data", overwrite=True)


def test_a_photo_of_another_size_than_its_truth_stops_and_resumes(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 3)
    path = tmp_path / "data/images/photo002.png"
    whole = path.read_bytes()
    Image.open(path).resize((10, 10)).save(path)
    with pytest.raises(DatasetError, match=r"photo002\.png has 10x10 pixels, its truth 48x42"):
        run(tmp_path / "data", tmp_path / "out", batch_size=1)
    path.write_bytes(whole)
    segmenter = ColourSegmenter()
    assert run(tmp_path / "data", tmp_path / "out", batch_size=1, segmenter=segmenter)["miou"] == 1
    assert len(segmenter.batches) < 3


def test_a_vocabulary_of_another_length_is_refused(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 1)
    data = load_folder(tmp_path / "data", background=True)
    with pytest.raises(UsageError, match="has 1 classes, folder has 2"):
        SegmenterPredictor(ColourSegmenter(), vocabulary_of(["cat"]), data)


def test_best_and_worst_images_are_on_the_page(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 30, noise=0.0)
    bad = tmp_path / "data/images/photo017.png"
    truth = np.asarray(Image.open(tmp_path / "data/masks/photo017.png"))
    Image.fromarray(painted(np.where(truth == 255, 0, (truth + 1) % 3))).save(bad)
    run(tmp_path / "data", tmp_path / "out", batch_size=4)
    page = (tmp_path / "out/results.html").read_text()
    assert page.count("<img") == 12
    assert page.index("photo017: mean IoU 0.0") > page.index("<h3>Worst</h3>")
    # The rest are alike, so the first of them are both best and worst.
    assert len(list((tmp_path / "out/.parts/pictures").glob("*.jpg"))) == 7
    assert "<script" not in page
    assert "http://" not in page.replace("http-equiv", "")


def test_names_from_outside_are_escaped(tmp_path):
    painted_folder(tmp_path / "data", ("background", "<b>cat|x", "dog"), 2)
    run(tmp_path / "data", tmp_path / "out")
    page = (tmp_path / "out/results.html").read_text()
    assert "<b>cat" not in page
    assert "&lt;b&gt;cat" in page
    assert r"| <b>cat\|x |" in (tmp_path / "out/results.md").read_text()
