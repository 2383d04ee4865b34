from __future__ import annotations

import pytest
from outputs_helpers import MakeItem

from ovseg.outputs.statistics import ClassFigures, class_figures


def test_shares_and_confidence_by_hand(make_item: MakeItem) -> None:
    item = make_item([[0, 1, 1, 255]], confidence=[[0.5, 0.25, 0.75, 0.0]])
    assert class_figures(item.segmentation) == {
        0: ClassFigures(0.25, 0.5),
        1: ClassFigures(0.5, 0.5),
        255: ClassFigures(0.25, 0.0),
    }


def test_shares_of_16_bit_labels_add_up(make_item: MakeItem) -> None:
    names = ("background", *(f"class {i}" for i in range(300)))
    figures = class_figures(make_item([[0, 300, 65535], [7, 7, 7]], names=names).segmentation)
    assert sum(found.share for found in figures.values()) == pytest.approx(1.0)
    assert list(figures) == [0, 7, 300, 65535]
