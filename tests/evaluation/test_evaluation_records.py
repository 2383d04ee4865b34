from __future__ import annotations

import io
import json

import numpy as np
import pytest
from evaluation_fakes import ColourSegmenter, painted_folder, vocabulary_of
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import confusion_matrix as sklearn_confusion

from ovseg.errors import InputError, OutputError
from ovseg.evaluation.bootstrap import BootstrapSettings
from ovseg.evaluation.datasets.folder import load_folder
from ovseg.evaluation.journal import Header, Journal, read_header, read_records
from ovseg.evaluation.pictures import Ranking, render
from ovseg.evaluation.prediction_folder import FolderPredictor
from ovseg.evaluation.predictions import Prediction, SegmenterPredictor
from ovseg.evaluation.protocols import protocol_for
from ovseg.evaluation.record import ImageRecord, measure
from ovseg.evaluation.runner import EvaluationSettings, evaluate
from ovseg.evaluation.table import read_results

CLASSES = ("background", "cat", "dog", "cow")


def random_record(seed, *, confidence=True, classes=4):
    generator = np.random.default_rng(seed)
    truth, labels = (
        np.kron(generator.choice([*range(classes), 255], (6, 7)), np.ones((9, 8), int)).astype(np.uint8)
        for _ in range(2)
    )
    sure = generator.random(labels.shape).astype(np.float16) if confidence else None
    return measure(seed, f"image {seed}", truth, Prediction(labels, sure), classes)


def same(a: ImageRecord, b: ImageRecord) -> bool:
    return json.dumps(a.to_json()) == json.dumps(b.to_json())


@pytest.mark.parametrize("confidence", [True, False])
def test_records_survive_their_json(confidence):
    record = random_record(3, confidence=confidence)
    again = ImageRecord.from_json(json.loads(json.dumps(record.to_json())), 4)
    assert same(record, again)
    for name in ("intersection", "predicted", "truth"):
        assert np.array_equal(getattr(record.boundary, name), getattr(again.boundary, name))
        assert np.array_equal(getattr(record.sizes, name), getattr(again.sizes, name))
    assert np.array_equal(record.confusion, again.confusion)
    assert (again.calibration is None) == (not confidence)


def test_an_image_of_nothing_but_void_has_no_score():
    void = np.full((4, 4), 255, np.uint8)
    record = measure(0, "a", void, Prediction(np.zeros((4, 4), np.uint8)), 3)
    assert np.isnan(record.score)
    assert np.isnan(ImageRecord.from_json(record.to_json(), 3).score)


def test_random_predictions_score_what_scikit_learn_says(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 6)
    data = load_folder(tmp_path / "data", background=True)
    generator = np.random.default_rng(7)
    (tmp_path / "random").mkdir()
    true, predicted = [], []
    for sample in data.samples:
        truth = sample.read_truth()
        labels = generator.choice([0, 1, 2, 255], truth.shape).astype(np.uint8)  # cow is never said
        Image.fromarray(labels).save(tmp_path / "random" / f"{sample.name}.png")
        true.append(truth[truth != 255])
        predicted.append(labels[truth != 255])
    vocabulary, protocol = vocabulary_of(CLASSES[1:]), protocol_for("ovseg", "folder", background=True)
    predictor = FolderPredictor(tmp_path / "random", data, vocabulary, protocol)
    results = evaluate(data, predictor, vocabulary, protocol, tmp_path / "out").results

    matrix = sklearn_confusion(np.concatenate(true), np.concatenate(predicted), labels=[0, 1, 2, 3, 255])[:4]
    hits, rows, columns = np.diag(matrix), matrix.sum(axis=1), matrix[:, :4].sum(axis=0)
    iou = hits / (rows + columns - hits)
    assert results["miou"] == pytest.approx(iou.mean(), abs=1e-9)
    assert results["pixel_accuracy"] == pytest.approx(hits.sum() / rows.sum(), abs=1e-9)
    assert results["mean_accuracy"] == pytest.approx((hits / rows).mean(), abs=1e-9)
    assert results["frequency_weighted_iou"] == pytest.approx((rows / rows.sum() * iou).sum(), abs=1e-9)
    assert [entry["iou"] for entry in results["per_class"].values()] == pytest.approx(iou.tolist(), abs=1e-9)
    assert results["classes_at_zero"] == ["cow"]
    low, high = results["intervals"]["miou"]
    assert low < iou.mean() < high


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, float("nan")]), max_size=25))
def test_ranking_is_a_sort_that_streams(scores):
    ranking, record = Ranking(shown=3), random_record(0)
    for index, score in enumerate(scores):
        ranking.add(ImageRecord(**(record.__dict__ | {"index": index, "score": score})))
    known = [(score, index) for index, score in enumerate(scores) if score == score]
    best = [index for _, index in sorted(known, key=lambda pair: (-pair[0], pair[1]))[:3]]
    worst = [index for _, index in sorted(known)[:3]]
    assert (ranking.best(), ranking.worst()) == (best, worst)


def test_pictures_show_photo_truth_and_prediction():
    photo = np.full((60, 80, 3), 200, np.uint8)
    truth = np.zeros((60, 80), np.uint8)
    truth[20:40, 20:60] = 1
    picture = Image.open(io.BytesIO(render(photo, truth, truth * 0, background=True)))
    assert picture.width == 3 * 280 + 8
    pixels = np.asarray(picture).astype(int)
    middle = picture.height // 2
    assert np.abs(pixels[middle, 140] - 200).max() < 6
    assert pixels[middle, 284 + 140, 0] - pixels[middle, 284 + 140, 2] > 40  # class 1 is dark red
    assert np.abs(pixels[middle, 568 + 140] - 200).max() < 6


def finished(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 3)
    data = load_folder(tmp_path / "data", background=True)
    vocabulary = vocabulary_of(data.foreground)
    protocol = protocol_for("ovseg", "folder", background=True)
    run = EvaluationSettings(bootstrap=BootstrapSettings(replicates=5))
    predictor = SegmenterPredictor(ColourSegmenter(), vocabulary, data)
    evaluate(data, predictor, vocabulary, protocol, tmp_path / "out", settings=run)
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header | {"format": "other"}, "holds no evaluation"),
        (lambda header: header | {"version": 2}, "is of version 2"),
        (lambda header: header | {"digest": "0" * 64}, "does not match its digest"),
        (lambda header: {}, "holds no evaluation"),
    ],
)
def test_damaged_headers_are_refused(tmp_path, change, message):
    out = finished(tmp_path)
    path = out / "records.jsonl"
    first, _, rest = path.read_text().partition("\n")
    path.write_text(json.dumps(change(json.loads(first))) + "\n" + rest)
    with pytest.raises(OutputError, match=message):
        read_header(out)


def test_damaged_records_are_named_by_line(tmp_path):
    out = finished(tmp_path)
    header = read_header(out)
    path = out / "records.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], '{"index": 1}', *lines[3:]]) + "\n")
    with pytest.raises(OutputError, match="line 3 is damaged"):
        list(read_records(out, header))


def test_mending_cuts_at_the_first_line_out_of_order(tmp_path):
    out = finished(tmp_path)
    path = out / "records.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1], lines[3]]))
    with Journal(out, read_header(out), batch=1) as journal:
        assert journal.done == 1
    assert path.read_bytes() == b"".join(lines[:2])


def test_selection_of_shards_is_a_partition():
    identity = {"dataset": {"images": 11, "classes": ["a"]}}
    parts = [set(Header(identity, (i, 3)).selection) for i in (1, 2, 3)]
    assert set.union(*parts) == set(range(11))
    assert sum(map(len, parts)) == 11


def test_results_that_are_none(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text('{"boxes": 1}')
    with pytest.raises(InputError, match="no miou"):
        read_results(tmp_path)
