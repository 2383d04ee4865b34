"""Choosing support from a data set with masks, and measuring what is left."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ovseg.evaluation.bootstrap import BootstrapSettings
from ovseg.evaluation.datasets.base import Dataset, DatasetCard, Sample
from ovseg.pipeline.benchmarks.shots_table import as_table, choose_support, class_annotation, shot_rows
from ovseg.support.base import UNKNOWN

CARD = DatasetCard("folder", "", "x", "", has_background=False)


def truth(left: int, right: int, share: float = 0.5) -> np.ndarray:
    labels = np.full((10, 10), right, np.uint8)
    labels[:, : round(10 * share)] = left
    return labels


TRUTHS = {f"{i}": truth(0, 1) for i in range(6)} | {"6": truth(2, 1), "7": truth(255, 1)}


def dataset() -> Dataset:
    samples = tuple(Sample(name, Path(name), partial(truth, 0, 1)) for name in TRUTHS)
    return Dataset(CARD, Path(), "test", ("a", "b", "c"), samples, has_background=False)


def test_support_shows_its_class_and_smaller_draws_are_parts_of_larger_ones():
    five = choose_support(TRUTHS, 3, 5, seed=0)
    assert [len(names) for names in five] == [5, 5, 1]
    assert set(five[0]) <= {"0", "1", "2", "3", "4", "5"}
    assert five[2] == ["6"]
    assert [names[:2] for names in five] == choose_support(TRUTHS, 3, 2, seed=0)
    assert five != choose_support(TRUTHS, 3, 5, seed=1)


def test_a_class_that_is_hardly_there_is_no_support():
    truths = {"a": truth(0, 1), "b": truth(0, 1)}
    truths["b"][:, 1:] = 1
    truths["b"][1:, 0] = 1
    assert choose_support(truths, 1, 2, seed=0) == [["a"]]


def test_marks_know_what_nobody_knows():
    np.testing.assert_array_equal(np.unique(class_annotation(truth(255, 1), 1)), [1, UNKNOWN])
    np.testing.assert_array_equal(class_annotation(truth(0, 1), 0), truth(1, 0))


def test_only_images_that_are_no_support_are_measured_and_gains_are_paired():
    calls: list[tuple[int, str]] = []

    def answer(shots: int, name: str) -> np.ndarray:
        calls.append((shots, name))
        return TRUTHS[name] if shots else np.zeros((10, 10), np.uint8)

    support = [["0", "1"], ["2", "3"], ["6"]]
    settings = BootstrapSettings(replicates=50)
    none, one, two = shot_rows(dataset(), TRUTHS, support, [0, 1, 2], answer, bootstrap=settings)
    assert calls == [(number, name) for number in (0, 1, 2) for name in ("4", "5", "7")]
    assert (none.shots, none.support, one.support, two.support) == (0, 0, 3, 5)
    assert none.images == one.images == 3
    # All is called class 0: 100 of its pixels and 150 of class 1 are known; class 2 is nowhere.
    assert none.miou == pytest.approx(100 * (100 / 250) / 2)
    assert one.miou == 100
    assert one.pixel_accuracy == 100
    assert one.gain[0] == pytest.approx(80)
    assert one.gain[1] <= 80 <= one.gain[2]
    assert none.gain == (0, 0, 0)
    assert as_table([one])[0]["gain"].startswith("+80.0 (")
