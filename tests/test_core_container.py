"""Sealed files: what is written comes back; whatever else lies there ends in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save

from ovseg.container import container_bytes, read_container, write_container
from ovseg.errors import BankMismatch

CONTENT = {"names": ["a", "é", "\udcff"], "n": 3}
TENSORS = {"v": np.arange(6, dtype=np.float32).reshape(2, 3), "e": np.zeros((0, 4), np.uint64)}

DTYPES = [np.bool_, np.uint8, np.int32, np.uint64, np.float16, np.float32]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.pool"


@pytest.fixture
def whole(path: Path) -> bytes:
    write_container(path, "pool", 1, CONTENT, TENSORS)
    return path.read_bytes()


@settings(max_examples=50)
@given(
    content=JSON,
    tensors=st.dictionaries(
        st.text("abcxyz", min_size=1, max_size=4),
        st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0))),
        max_size=3,
    ),
)
def test_what_is_written_comes_back(tmp_path_factory, content, tensors):
    path = tmp_path_factory.mktemp("sealed") / "x"
    write_container(path, "pool", 2, content, tensors)
    version, found, arrays = read_container(path, "pool", 2)
    assert (version, found) == (2, content)
    assert set(arrays) == set(tensors)
    for name, values in tensors.items():
        assert arrays[name].dtype == values.dtype
        assert arrays[name].shape == values.shape
        assert arrays[name].tobytes() == values.tobytes()


def test_equal_values_give_equal_bytes():
    again = {name: values.copy(order="F") for name, values in reversed(TENSORS.items())}
    assert container_bytes("pool", 1, CONTENT, TENSORS) == container_bytes("pool", 1, CONTENT, again)


def test_the_name_of_the_content_is_taken():
    with pytest.raises(ValueError, match="is taken"):
        container_bytes("pool", 1, {}, {"json": np.zeros(1)})


def test_flipped_bits_are_found(path, whole):
    for bit in range(0, 8 * len(whole), 5):  # every place in a byte, every byte or its neighbour
        altered = bytearray(whole)
        altered[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(altered)
        with pytest.raises(BankMismatch):
            read_container(path, "pool", 1)


def test_every_truncation_and_any_addition_is_found(path, whole):
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(BankMismatch):
            read_container(path, "pool", 1)
    path.write_bytes(whole + b"\0")
    with pytest.raises(BankMismatch):
        read_container(path, "pool", 1)


@pytest.mark.parametrize("length", [0, 1, 2**20 + 1, 2**32, 2**63, 2**64 - 1])
def test_header_of_an_absurd_size(path, whole, length):
    path.write_bytes(length.to_bytes(8, "little") + whole[8:])
    with pytest.raises(BankMismatch, match="it is not an ovseg pool"):
        read_container(path, "pool", 1)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_at_all(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "x"
    for text in (data, len(data).to_bytes(8, "little") + data):
        path.write_bytes(text)
        with pytest.raises(BankMismatch):
            read_container(path, "pool", 1)


def test_no_memory_is_taken_on_a_files_word(path):
    header = json.dumps({"x": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    with pytest.raises(BankMismatch):
        read_container(path, "pool", 1)


def test_deep_json_and_numbers_that_are_none(path):
    for content in ("[" * 100_000, "NaN", "1e999", "9" * 10_000):
        data = save({"json": np.frombuffer(content.encode(), np.uint8)}, metadata={"ovseg": content})
        path.write_bytes(data)
        with pytest.raises(BankMismatch):
            read_container(path, "pool", 1)


def test_large_files_are_refused_by_their_size(path, whole):
    os.truncate(path, 2**40)
    with pytest.raises(BankMismatch, match="more than the limit"):
        read_container(path, "pool", 1)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("pipe", "not a file"), (".", "not a file"), ("none", "No such file")):
        with pytest.raises(BankMismatch, match=reason):
            read_container(tmp_path / name, "pool", 1)


def test_another_kind_and_a_newer_version(path):
    write_container(path, "bank", 3, CONTENT, TENSORS)
    with pytest.raises(BankMismatch, match="it is an ovseg bank, not a pool"):
        read_container(path, "pool", 3)
    with pytest.raises(BankMismatch, match="is of version 3, this ovseg reads banks up to version 2: update"):
        read_container(path, "bank", 2)
    path.write_bytes(save({"x": np.zeros(2)}))
    with pytest.raises(BankMismatch, match="it is not an ovseg bank"):
        read_container(path, "bank", 1)
