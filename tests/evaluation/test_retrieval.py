from __future__ import annotations

import evaluation_trees as trees
import pytest

from ovseg.errors import InputError
from ovseg.evaluation.retrieval import (
    average_precision,
    precision_at,
    read_groups,
    read_labels,
    read_rankings,
    retrieval_scores,
)
from ovseg.prompts import prompt_path
from ovseg.vocabulary import load_vocabulary

LABELS = {"a": {"cat"}, "b": {"cat", "dog"}, "c": {"dog"}, "d": {"cow"}}


def test_precision_and_average_precision_by_hand():
    ranking, relevant = ["a", "d", "b", "c"], {"a", "b", "x"}
    assert precision_at(ranking, relevant, 1) == 1
    assert precision_at(ranking, relevant, 2) == 0.5
    assert precision_at(ranking, relevant, 8) == 0.25
    # Hits at ranks 1 and 3; the third relevant image was not found.
    assert average_precision(ranking, relevant) == pytest.approx((1 + 2 / 3) / 3)


def test_average_precision_equals_scikit_learn_on_whole_rankings():
    import numpy as np
    from sklearn.metrics import average_precision_score

    generator = np.random.default_rng(0)
    truth = generator.random(50) < 0.2
    scores = generator.permutation(50)
    order = np.argsort(-scores)
    found = average_precision([str(i) for i in order], {str(i) for i in np.flatnonzero(truth)})
    assert found == pytest.approx(average_precision_score(truth, scores), abs=1e-12)


def test_means_are_over_classes_with_images():
    rankings = {"Cat": ["a", "b"], "dog": ["d", "c"], "unicorn": ["a"]}
    found = retrieval_scores(rankings, LABELS, (1, 2))
    assert found["precision"] == {"1": 0.5, "2": 0.75}
    assert found["mean_average_precision"] == pytest.approx((1 + 0.25) / 2)
    assert found["without_images"] == ["unicorn"]
    assert found["classes"] == 2


def test_nothing_to_score():
    assert retrieval_scores({}, LABELS)["mean_average_precision"] is None


@pytest.mark.parametrize(
    ("ranking", "message"), [(["a", "a"], "names an image twice"), (["z"], "'z', which has no labels")]
)
def test_rankings_with_doubled_or_unlabelled_images_are_refused(ranking, message):
    with pytest.raises(InputError, match=message):
        retrieval_scores({"cat": ranking}, LABELS)


def test_labels_and_rankings_are_read_from_their_files(tmp_path):
    (tmp_path / "labels.csv").write_text(
        "file,wnid,label\na.jpg,n1,Great White Shark\na.jpg,n2,fish\nb.jpg,n3,cat\n"
    )
    assert read_labels(tmp_path / "labels.csv") == {"a.jpg": {"great white shark", "fish"}, "b.jpg": {"cat"}}
    trees.write_json(tmp_path / "labels.json", {"a.jpg": ["Cat"]})
    assert read_labels(tmp_path / "labels.json") == {"a.jpg": {"cat"}}
    trees.write_json(
        tmp_path / "found.json", {"cat": ["a.jpg", {"file": "b.jpg", "score": 1}, {"path": "c.jpg"}]}
    )
    assert read_rankings(tmp_path / "found.json") == {"cat": ["a.jpg", "b.jpg", "c.jpg"]}


@pytest.mark.parametrize("content", ["{", "[1]", '{"cat": [{"score": 1}]}', '{"cat": 3}'])
def test_damaged_rankings_are_refused(tmp_path, content):
    (tmp_path / "found.json").write_text(content)
    with pytest.raises(InputError, match="cannot read"):
        read_rankings(tmp_path / "found.json")


def test_damaged_or_missing_labels_are_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("name,label\na,b\n")
    with pytest.raises(InputError, match="cannot read labels"):
        read_labels(tmp_path / "labels.csv")
    with pytest.raises(InputError, match="cannot read labels"):
        read_labels(tmp_path / "missing.csv")


def test_what_is_possible_counts_where_there_are_few():
    labels = {"a": {"cow"}, "b": {"dog"}, "c": {"dog"}}
    scores = retrieval_scores({"cow": ["b", "a", "c"], "dog": ["b", "c", "a"]}, labels, (3,))
    assert scores["precision"]["3"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert scores["precision_of_possible"]["3"] == 1.0


def test_groups_of_labels(tmp_path):
    (tmp_path / "labels.csv").write_text("file,wnid,label\na.jpg,n1,Tabby\nb.jpg,n2,beagle\nc.jpg,n3,pot\n")
    (tmp_path / "groups.txt").write_text("# kinds\ncat: n1, tiger cat\ndog: Beagle\n")
    groups = read_groups(tmp_path / "groups.txt")
    assert groups == {"cat": {"n1", "tiger cat"}, "dog": {"beagle"}}
    labels = read_labels(tmp_path / "labels.csv", groups)
    assert labels == {
        "a.jpg": {"tabby", "cat"},
        "b.jpg": {"beagle", "dog"},
        "c.jpg": {"pot"},
    }
    (tmp_path / "groups.txt").write_text("no colon\n")
    with pytest.raises(InputError, match="a line needs name: label, label"):
        read_groups(tmp_path / "groups.txt")


def test_the_shipped_groups_are_of_vocs_classes():
    groups = read_groups(prompt_path("datasets", "imagenet-voc.txt"))
    assert list(groups) == [spec.name for spec in load_vocabulary("voc20").classes]
    members = [member for group in groups.values() for member in group]
    assert len(members) == len(set(members))
    assert all(member.startswith("n0") or member.startswith("n1") for member in members)


@pytest.mark.parametrize("content", ['["a.jpg"]', '{"pool": "photos.pool", "results": []}', '{"cat": 3}'])
def test_what_holds_no_lists_of_images_is_no_ranking(tmp_path, content):
    path = tmp_path / "found.json"
    path.write_text(content)
    with pytest.raises(InputError, match="it must hold a list of images for each class"):
        read_rankings(path)
