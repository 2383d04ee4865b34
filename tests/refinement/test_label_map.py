from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import torch

from ovseg.config import RefinementConfig
from ovseg.errors import DependencyMissing
from ovseg.refinement import label_map
from ovseg.refinement.crf import dense_crf


def picture(height: int, width: int) -> np.ndarray:
    """Black on the left, white on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = 255
    return pixels


def halves(classes: int, left: int, right: int, sure: float = 0.9) -> torch.Tensor:
    """(classes, 2, 4) scores: ``left`` on the left half, ``right`` on the right."""
    scores = torch.full((classes, 2, 4), (1 - sure) / (classes - 1))
    scores[left, :, :2] = sure
    scores[right, :, 2:] = sure
    return scores


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (40, 2), (30, 50), (300, 280)])
@pytest.mark.parametrize("refine", ["none", "pamr"])
def test_labels_have_the_size_of_the_image(size, refine):
    labels, confidence = label_map(halves(3, 1, 2), picture(*size), RefinementConfig(refine=refine))
    assert labels.shape == confidence.shape == size
    assert labels.dtype == np.uint8
    assert confidence.dtype == np.float16
    assert 0 <= confidence.min() <= confidence.max() <= 1


@pytest.mark.parametrize("refine", ["none", "pamr"])
def test_each_half_gets_its_class(refine):
    labels, confidence = label_map(halves(4, 3, 1), picture(32, 48), RefinementConfig(refine=refine))
    assert (labels[:, :24] == 3).all()
    assert (labels[:, 24:] == 1).all()
    assert confidence[:, 0].mean() == pytest.approx(0.9, abs=0.01)


def test_labels_move_to_16_bits_with_255_names():
    for names, dtype in ((254, np.uint8), (255, np.uint16), (500, np.uint16)):
        labels, _ = label_map(halves(names + 1, 0, names), picture(8, 8), RefinementConfig())
        assert labels.dtype == dtype
        assert labels.min() == 0
        assert labels.max() == names


@pytest.mark.parametrize(("names", "void"), [(2, 255), (300, 65535)])
def test_what_is_less_sure_than_asked_is_void(names, void):
    scores = halves(names + 1, 1, 2)
    scores[:, :, 2:] = 0
    scores[1, :, 2:], scores[2, :, 2:] = 0.4, 0.6
    labels, confidence = label_map(scores, picture(16, 16), RefinementConfig(refine="none", abstain=0.7))
    assert set(np.unique(labels)) == {1, void}
    assert (labels[confidence < 0.7] == void).all()
    assert (labels[confidence >= 0.7] == 1).all()
    assert (label_map(scores, picture(16, 16), RefinementConfig(abstain=1.0))[0] == void).all()
    assert void not in label_map(scores, picture(16, 16), RefinementConfig(abstain=0.0))[0]


def test_a_single_class_fills_the_image():
    scores = torch.zeros(2, 3, 3)
    scores[1] = 1
    labels, confidence = label_map(scores, picture(9, 9), RefinementConfig())
    assert (labels == 1).all()
    assert (confidence == 1).all()


def test_scores_that_are_all_faint_still_have_a_best_class():
    scores = torch.full((101, 2, 2), 0.0099)
    scores[60] = 0.01
    assert (label_map(scores, picture(6, 6), RefinementConfig())[0] == 60).all()


def test_inputs_are_not_changed():
    scores, pixels = halves(3, 0, 1), picture(12, 12)
    before = scores.clone()
    label_map(scores, pixels, RefinementConfig())
    assert torch.equal(scores, before)
    np.testing.assert_array_equal(pixels, picture(12, 12))


def test_a_missing_crf_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    monkeypatch.setitem(sys.modules, "pydensecrf.densecrf", None)
    with pytest.raises(DependencyMissing) as caught:
        label_map(halves(3, 0, 1), picture(12, 12), RefinementConfig(refine="crf"))
    assert str(caught.value) == "refine='crf' needs pydensecrf2: run  pip install 'ovseg[crf]'"


@pytest.mark.skipif(importlib.util.find_spec("pydensecrf") is None, reason="needs the crf extra")
def test_the_crf_follows_the_image():
    image = torch.zeros(3, 20, 20)
    image[:, :, 10:] = 1
    scores = torch.full((2, 20, 20), 0.4)
    scores[0, :, :12], scores[1, :, 12:] = 0.6, 0.6
    found = dense_crf(image, scores)
    torch.testing.assert_close(found.sum(0), torch.ones(20, 20), atol=1e-4, rtol=0)
    assert (found.argmax(0)[:, :10] == 0).all()
    assert (found.argmax(0)[:, 10:] == 1).all()
