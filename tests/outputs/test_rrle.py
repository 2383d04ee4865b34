from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outputs_helpers import MakeItem

from ovseg.errors import InputError
from ovseg.outputs import FORMATS, RunContext
from ovseg.outputs.rrle import decode_rrle, encode_rrle, to_grid


def test_rows_of_runs() -> None:
    grid = [["sky", "sky", "kite"], ["sky", "kite", "kite"]]
    assert encode_rrle(grid) == "sky *2| kite *1\n sky *1| kite *2\n"
    assert decode_rrle("sky *2| kite *1\n sky *1| kite *2\n") == grid


NAMES = st.text(max_size=6) | st.sampled_from([" a", "a *3", "| ", "\n ", "\\", "\\p", "*", "a\nb", "a\\|"])


@given(grid=st.lists(st.lists(NAMES, min_size=1, max_size=6), min_size=1, max_size=6))
def test_round_trip_whatever_the_names(grid: list[list[str]]) -> None:
    assert decode_rrle(encode_rrle(grid)) == grid


@pytest.mark.parametrize("text", ["", "sky", "sky *0\n", "sky *x\n", "sky *2|kite *1\n", "sky *-1"])
def test_what_is_no_run_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a run of row-wise run lengths"):
        decode_rrle(text)


def test_a_cell_takes_its_most_frequent_label() -> None:
    labels = np.array([[1, 1, 0, 2], [1, 0, 2, 2]], np.uint8)
    assert to_grid(labels, 1).tolist() == [[1]]  # 1 and 2 have three pixels each
    assert to_grid(labels, 2).tolist() == [[1, 0], [0, 2]]


def test_grid_of_cells_by_hand() -> None:
    labels = np.array([[5, 5, 0, 2], [5, 0, 2, 2], [7, 7, 7, 300], [7, 7, 300, 300]], np.uint16)
    grid = to_grid(labels, 2)
    assert grid.dtype == np.uint16
    assert grid.tolist() == [[5, 2], [7, 300]]


@given(h=st.integers(1, 70), w=st.integers(1, 70), label=st.sampled_from([0, 3, 255]))
def test_grid_of_any_shape(h: int, w: int, label: int) -> None:
    assert (to_grid(np.full((h, w), label, np.uint8)) == label).all()
    assert to_grid(np.zeros((h, w), np.uint8)).shape == (32, 32)


def test_a_label_map_is_written_as_rows_of_runs(context: RunContext, make_item: MakeItem) -> None:
    labels = np.zeros((64, 64), np.uint8)
    labels[32:, :32], labels[32:, 32:] = 1, 255
    FORMATS.get("rrle")(context).write(make_item(labels, stem="x"))
    text = (context.out / "rrle/x.txt").read_text()
    assert text == "\n ".join(["background *32"] * 16 + ["cat *16| unknown *16"] * 16) + "\n"
