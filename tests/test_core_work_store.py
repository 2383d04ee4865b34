"""Results that were kept come back; those of another plan, damaged or foreign ones never do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg.container import read_container, write_container
from ovseg.errors import OutputError
from ovseg.files import TEMPORARY_PREFIX
from ovseg.work_store import WorkStore


def save(value: list[float], path: Path) -> None:
    write_container(path, "numbers", 1, {}, {"values": np.array(value)})


def load(path: Path) -> list[float]:
    return list(read_container(path, "numbers", 1)[2]["values"].tolist())


def store(folder: Path, plan: object = "plan", max_bytes: int | None = None) -> WorkStore[list[float]]:
    return WorkStore(folder, plan, load=load, save=save, max_bytes=max_bytes)


def test_results_come_back_in_another_process(tmp_path: Path) -> None:
    first = store(tmp_path / "work")
    assert first.get("a") is None
    assert first.put("a", [1.0, 2.0])
    assert first.put({"photo": 3, "crop": [0, 1]}, [3.0])
    again = store(tmp_path / "work")
    assert (again.get("a"), again.get({"crop": [0, 1], "photo": 3}), again.get("b")) == (
        [1.0, 2.0],
        [3.0],
        None,
    )
    assert sorted(again.values()) == [[1.0, 2.0], [3.0]]
    assert len(again) == 2


@given(st.dictionaries(st.text(max_size=9), st.lists(st.floats(allow_nan=False), max_size=4), max_size=6))
def test_every_key_has_its_own_result(
    tmp_path_factory: pytest.TempPathFactory, results: dict[str, list[float]]
) -> None:
    work = store(tmp_path_factory.mktemp("work"))
    for key, value in results.items():
        work.put(key, value)
    assert {key: work.get(key) for key in results} == results


def test_results_of_another_plan_are_removed(tmp_path: Path) -> None:
    store(tmp_path / "work", {"image_size": 448}).put("a", [1.0])
    other = store(tmp_path / "work", {"image_size": 224})
    assert other.get("a") is None
    assert len(other) == 0
    assert store(tmp_path / "work", {"image_size": 448}).get("a") is None


def test_a_damaged_result_counts_as_missing(tmp_path: Path) -> None:
    work = store(tmp_path / "work")
    work.put("a", [1.0])
    work.put("b", [2.0])
    damaged = next(path for path in work.folder.glob("*.safetensors") if load(path) == [1.0])
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    assert (work.get("a"), work.get("b")) == (None, [2.0])
    assert list(work.values()) == [[2.0]]
    work.put("a", [1.0])
    assert work.get("a") == [1.0]


def test_what_a_kill_left_half_written_is_cleared(tmp_path: Path) -> None:
    work = store(tmp_path / "work")
    (work.folder / f"{TEMPORARY_PREFIX}x").write_bytes(b"half")
    assert [path.name for path in store(tmp_path / "work").folder.iterdir()] == ["plan.json"]


def test_a_full_store_keeps_what_it_has(tmp_path: Path) -> None:
    work = store(tmp_path / "work", max_bytes=1)
    assert work.put("a", [1.0])
    assert not work.put("b", [2.0])
    assert (work.get("a"), work.get("b")) == ([1.0], None)
    assert not store(tmp_path / "work", max_bytes=1).put("b", [2.0])


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="is in the way"):
        store(tmp_path / "work")
    assert (tmp_path / "work" / "thesis.tex").read_text() == "years of work"


def test_removing_leaves_nothing(tmp_path: Path) -> None:
    work = store(tmp_path / "work")
    work.put("a", [1.0])
    work.remove()
    assert not work.folder.exists()
