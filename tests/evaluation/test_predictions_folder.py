from __future__ import annotations

import json

import evaluation_trees as trees
import numpy as np
import pytest
from evaluation_fakes import ColourSegmenter, painted_folder, vocabulary_of
from PIL import Image
from safetensors.numpy import save_file

from ovseg.errors import InputError, UsageError
from ovseg.evaluation.datasets import DATASETS
from ovseg.evaluation.datasets.folder import load_folder
from ovseg.evaluation.prediction_folder import FolderPredictor
from ovseg.evaluation.predictions import SegmenterPredictor
from ovseg.evaluation.protocols import protocol_for
from ovseg.evaluation.runner import EvaluationSettings, evaluate
from ovseg.evaluation.soft_scores import decide, read_scores
from ovseg.vocabulary import ClassSpec, Vocabulary

CLASSES = ("background", "cat", "dog")


def predictor(folder, data, *, protocol="ovseg", vocabulary=None):
    vocabulary = vocabulary or vocabulary_of(data.foreground, background=data.has_background)
    name = data.card.name
    return FolderPredictor(
        folder, data, vocabulary, protocol_for(protocol, name, background=data.has_background)
    )


def read(folder, data, **settings):
    found = predictor(folder, data, **settings)
    return [found.load(sample, sample.read_truth().shape).labels for sample in data.samples]


def one_image(root, truth=None, *, background=True, classes=CLASSES):
    truth = np.zeros((4, 6), np.uint8) if truth is None else truth
    trees.folder(root, classes, {"a": truth})
    return load_folder(root, background=background)


def test_saved_predictions_score_the_same_when_read_back(tmp_path):
    painted_folder(tmp_path / "data", CLASSES, 4, noise=0.2)
    data = load_folder(tmp_path / "data", background=True)
    vocabulary = vocabulary_of(data.foreground)
    protocol = protocol_for("ovseg", "folder", background=True)
    first = evaluate(
        data, SegmenterPredictor(ColourSegmenter(), vocabulary, data), vocabulary, protocol, tmp_path / "a",
        settings=EvaluationSettings(save_predictions=True),
    ).results  # fmt: skip
    with Image.open(tmp_path / "a/predictions/photo000.png") as image:
        assert image.mode == "P"
    again = FolderPredictor(tmp_path / "a", data, vocabulary, protocol)
    second = evaluate(data, again, vocabulary, protocol, tmp_path / "b").results
    for name in ("miou", "per_class", "intervals", "sizes", "boundary_iou"):
        assert first[name] == second[name]
    assert first["hashes"]["predictions"] == second["hashes"]["predictions"]
    assert second["calibration"] is None


def test_saved_predictions_of_a_set_without_background(tmp_path):
    truths = trees.voc(tmp_path / "data")
    data = DATASETS.get("voc20").load(tmp_path / "data")
    vocabulary = vocabulary_of(data.foreground, background=False)
    protocol = protocol_for("ovseg", "voc20", background=False)
    settings = EvaluationSettings(save_predictions=True)
    first = evaluate(
        data, SegmenterPredictor(ColourSegmenter(), vocabulary, data), vocabulary, protocol, tmp_path / "a",
        settings=settings,
    ).results  # fmt: skip
    again = FolderPredictor(tmp_path / "a/predictions", data, vocabulary, protocol)
    assert evaluate(data, again, vocabulary, protocol, tmp_path / "b").results["miou"] == first["miou"]
    assert len(truths) == 3


def test_indices_are_the_data_sets_own_by_default(tmp_path):
    data = one_image(tmp_path / "data")
    trees.write_mask(tmp_path / "p/a.png", np.array([[0, 1, 2, 255, 2, 1]] * 4))
    assert read(tmp_path / "p", data)[0][0].tolist() == [0, 1, 2, 255, 2, 1]


@pytest.mark.parametrize("where", ["p", "."])
def test_classes_json_says_what_indices_mean(tmp_path, where):
    data = one_image(tmp_path / "data", classes=("background", "tvmonitor", "sofa"))
    trees.write_mask(tmp_path / "p/a.png", np.array([[0, 7, 3, 255, 3, 7]] * 4))
    names = {"0": "background", "3": "TV monitor", "7": "couch"}
    (tmp_path / where / "classes.json").write_text(json.dumps(names))
    vocabulary = Vocabulary((ClassSpec("tv monitor"), ClassSpec("sofa", synonyms=("couch",))))
    assert read(tmp_path / "p", data, vocabulary=vocabulary)[0][0].tolist() == [0, 2, 1, 255, 1, 2]


def test_background_is_no_answer_where_it_is_no_class(tmp_path):
    data = one_image(tmp_path / "data", background=False, classes=("cat", "dog"))
    trees.write_mask(tmp_path / "p/a.png", np.array([[0, 1, 2, 2, 1, 0]] * 4))
    (tmp_path / "p/classes.json").write_text('{"0": "background", "1": "cat", "2": "dog"}')
    assert read(tmp_path / "p", data)[0][0].tolist() == [255, 0, 1, 1, 0, 255]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"0": "background", "1": "zebra"}', "'zebra' is no class of folder"),
        ("[]", "as index to name"),
        ('{"x": "cat"}', "as index to name"),
        ("{}", "expected indices"),
        ('{"-1": "cat"}', "expected indices"),
    ],
)
def test_strange_classes_json(tmp_path, content, message):
    data = one_image(tmp_path / "data")
    trees.write_mask(tmp_path / "p/a.png", np.zeros((4, 6)))
    (tmp_path / "p/classes.json").write_text(content)
    with pytest.raises(UsageError, match=message):
        predictor(tmp_path / "p", data)


def test_missing_folder_and_missing_predictions(tmp_path):
    data = one_image(tmp_path / "data")
    with pytest.raises(UsageError, match="no folder of predictions"):
        predictor(tmp_path / "p", data)
    (tmp_path / "p").mkdir()
    with pytest.raises(UsageError, match=r"1 of 1 images have no prediction in .*looked for a\.png"):
        predictor(tmp_path / "p", data)


def test_wrong_size_range_and_mode(tmp_path):
    data = one_image(tmp_path / "data")
    path = tmp_path / "p/a.png"
    trees.write_mask(path, np.zeros((4, 5)))
    with pytest.raises(InputError, match=r"a\.png has 5x4 pixels, its truth 6x4"):
        read(tmp_path / "p", data)
    trees.write_mask(path, np.full((4, 6), 3))
    with pytest.raises(InputError, match=r"index out of range: 3.*classes\.json"):
        read(tmp_path / "p", data)
    trees.write_image(path, (4, 6))
    with pytest.raises(InputError, match="mode RGB"):
        read(tmp_path / "p", data)


def test_soft_scores_follow_the_protocols_threshold(tmp_path):
    data = one_image(tmp_path / "data", np.zeros((2, 2), np.uint8))
    scores = np.array([[[0.1, 0.2], [0.3, 0.1]], [[0.15, 0.7], [0.1, 0.1]], [[0.1, 0.1], [0.2, 0.19]]])
    (tmp_path / "p").mkdir()
    save_file({"scores": scores.astype(np.float32)}, tmp_path / "p/a.safetensors")
    assert read(tmp_path / "p", data)[0].tolist() == [[1, 1], [0, 2]]
    voc = protocol_for("sclip", "voc21", background=True)  # threshold 0.2
    found = FolderPredictor(tmp_path / "p", data, vocabulary_of(CLASSES[1:]), voc)
    prediction = found.load(data.samples[0], (2, 2))
    assert prediction.labels.tolist() == [[0, 1], [0, 0]]
    assert prediction.confidence.dtype == np.float16


def test_planes_by_name_and_background_plane_left_out(tmp_path):
    data = one_image(tmp_path / "data", np.zeros((1, 2), np.uint8), background=False, classes=("cat", "dog"))
    planes = np.array([[[0.9, 0.9]], [[0.1, 0.6]], [[0.5, 0.2]]], np.float32)
    (tmp_path / "scores").mkdir()
    save_file({"scores": planes}, tmp_path / "scores/a.safetensors")
    assert read(tmp_path / "scores", data)[0].tolist() == [[1, 0]]
    (tmp_path / "classes.json").write_text('{"0": "background", "1": "dog", "2": "cat"}')
    assert read(tmp_path, data)[0].tolist() == [[0, 1]]
    save_file({"scores": planes[:1]}, tmp_path / "scores/a.safetensors")
    with pytest.raises(InputError, match="1 planes of scores are not the 2 classes"):
        read(tmp_path, data)


def test_logits_equal_a_softmax_written_out():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 0.1, (5, 3, 4)).astype(np.float32)
    found = decide(logits, (3, 4), logits=True, scale=40.0, threshold=0.0, background=False)
    exponentials = np.exp(40 * (logits - logits.max(axis=0)))
    softmax = exponentials / exponentials.sum(axis=0)
    assert np.array_equal(found.labels, softmax.argmax(axis=0))
    assert found.confidence == pytest.approx(softmax.max(axis=0), abs=1e-3)


def test_scores_are_resized_bilinearly_before_the_decision():
    planes = np.array([[[1, 0]], [[0, 1]]], np.float32)
    found = decide(planes, (1, 8), logits=False, scale=1, threshold=0, background=False)
    assert found.labels.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]]
    assert found.confidence[0, 3] == pytest.approx(0.625, abs=1e-3)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"other": np.zeros((2, 2, 2), np.float32)}, "expected a tensor 'scores' or 'logits'"),
        ({"scores": np.zeros((2, 2), np.float32)}, r"expected \(classes, h, w\)"),
        ({"scores": np.full((2, 2, 2), np.nan, np.float32)}, "not finite"),
        ({"scores": np.full((2, 2, 2), 2, np.float32)}, "name the tensor 'logits'"),
    ],
)
def test_files_that_are_no_scores(tmp_path, tensors, message):
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=message):
        read_scores(tmp_path / "a.safetensors")


def test_damaged_score_file(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="cannot read scores"):
        read_scores(tmp_path / "a.safetensors")
