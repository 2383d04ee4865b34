from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg.errors import OutputError
from ovseg.files import (
    atomic_path,
    canonical_json,
    digest,
    file_sha256,
    json_bytes,
    recorded_writes,
    write_bytes,
    write_json,
    write_text,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def contents(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_whole_file_replaces_the_old_one(tmp_path: Path):
    path = tmp_path / "new" / "folders" / "file.txt"
    write_text(path, "first")
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == path.suffix
        temporary.write_text("second")
        assert path.read_text() == "first"
    assert path.read_text() == "second"
    assert contents(path.parent) == ["file.txt"]


def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert path.read_bytes() == b"old"
    assert contents(tmp_path) == ["file.bin"]


def test_files_are_as_readable_as_the_umask_says(tmp_path: Path):
    write_text(tmp_path / "ours", "")
    (tmp_path / "plain").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_where_a_folder_must_be_is_one_line(tmp_path: Path):
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match=r"^cannot write .*taken/file: (Not a directory|File exists)$"):
        write_text(tmp_path / "taken" / "file", "")


def test_a_folder_where_a_file_must_be_is_one_line(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"^cannot write .*folder: Is a directory$"):
        write_text(tmp_path / "folder", "")
    assert contents(tmp_path) == ["folder"]


def test_a_failure_to_read_inside_the_block_keeps_its_name(tmp_path: Path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "copy") as temporary:
        temporary.write_bytes((tmp_path / "missing").read_bytes())
    assert contents(tmp_path) == []


def test_recorded_writes_are_those_of_the_block(tmp_path: Path):
    write_text(tmp_path / "before", "")
    with recorded_writes() as paths:
        write_text(tmp_path / "a", "")
        with recorded_writes() as inner:
            write_json(tmp_path / "b", {})
        write_bytes(tmp_path / "c", b"")
    write_text(tmp_path / "after", "")
    assert paths == [tmp_path / "a", tmp_path / "c"]
    assert inner == [tmp_path / "b"]


def test_json_ends_with_a_newline_and_refuses_nan(tmp_path: Path):
    write_json(tmp_path / "x.json", {"é": 1})
    assert (tmp_path / "x.json").read_bytes() == '{\n  "é": 1\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "nan.json", float("nan"))
    assert not (tmp_path / "nan.json").exists()


def test_names_that_are_no_utf8_survive_json():
    name = os.fsdecode(b"caf\xe9.jpg")
    assert json_bytes(name) == b'"caf\\udce9.jpg"'
    assert json.loads(json_bytes(name)) == name
    assert len(digest(name)) == 64


@given(JSON)
def test_canonical_json_gives_the_value_back(value):
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_changes_no_digest(table):
    turned = dict(reversed(list(table.items())))
    assert digest(turned) == digest(table)
    table[next(iter(table))] += 1
    assert digest(turned) != digest(table)


def test_hashes_are_sha256(tmp_path: Path):
    data = bytes(range(256)) * 5000
    (tmp_path / "data").write_bytes(data)
    assert file_sha256(tmp_path / "data") == hashlib.sha256(data).hexdigest()
    assert digest({"b": 1, "a": [True, None]}) == hashlib.sha256(b'{"a":[true,null],"b":1}').hexdigest()
