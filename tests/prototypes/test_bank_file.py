"""Bank files: equal after a round trip, in their bytes too; damaged ones are refused in one line."""

from __future__ import annotations

import copy
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bank_doubles import record, same, small_bank
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg.container import read_container, write_container
from ovseg.errors import BankMismatch
from ovseg.prototypes import (
    KINDS,
    PrototypeBank,
    PrototypeTable,
    SupportRegion,
    load_bank,
    save_bank,
)
from ovseg.prototypes.file import VERSION
from ovseg.prototypes.pooling import unit
from ovseg.vocabulary import ClassSpec

MUTATIONS = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("banks") / "whole.bank"
    save_bank(small_bank(), path)
    return path


def test_a_round_trip_gives_an_equal_bank_and_equal_bytes(whole: Path, tmp_path: Path) -> None:
    bank = load_bank(whole)
    same(bank, small_bank())
    save_bank(bank, tmp_path / "again.bank")
    assert (tmp_path / "again.bank").read_bytes() == whole.read_bytes()


@st.composite
def banks(draw: Any) -> PrototypeBank:
    names = draw(
        st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=4, unique_by=str.casefold)
    )
    classes = tuple(
        ClassSpec(
            name,
            tuple(draw(st.lists(st.text(max_size=4), max_size=2))),
            kind=draw(st.sampled_from(["thing", None])),
        )
        for name in names
    )
    supports = tuple(
        replace(
            record(f"{i}.jpg", seed=draw(st.integers(0, 2**40)), prompt=draw(st.text(max_size=5))),
            class_index=draw(st.integers(0, len(classes) - 1)),
            grid=draw(st.tuples(st.integers(1, 5), st.integers(1, 5))),
        )
        for i in range(draw(st.integers(0, 3)))
    )
    regions = []
    for i, support in enumerate(supports):
        mask = np.random.default_rng(draw(st.integers(0, 99))).random(support.grid) < 0.5
        mask[0, 0] = True
        regions.append(SupportRegion(i, mask))
    tables = {}
    for number in range(draw(st.integers(1, 2))):
        count = draw(st.integers(0, 6))
        generator = np.random.default_rng(draw(st.integers(0, 99)))
        is_text = generator.random(count) < (0.5 if regions else 1.1)
        tables[f"space {number}"] = PrototypeTable(
            space=f"space {number}",
            identity={"encoder": {"name": "é", "sha256": "0"}, "layer": number},
            vectors=unit(generator.standard_normal((count, 3)).astype(np.float32)),
            classes=generator.integers(0, len(classes), count).astype(np.int32),
            kinds=np.where(is_text, KINDS.index("text"), generator.integers(0, 4, count)).astype(np.uint8),
            foreground=generator.random(count) < 0.5,
            regions=np.where(is_text, -1, generator.integers(0, max(len(regions), 1), count)).astype(
                np.int32
            ),
            texts={int(row): draw(st.text(max_size=3)) for row in np.flatnonzero(is_text)},
        )
    return PrototypeBank(classes, tables, supports, tuple(regions), {"seed": 1, "nested": {"a": [1.5, None]}})


@settings(max_examples=60)
@given(bank=banks())
def test_any_bank_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, bank: PrototypeBank) -> None:
    folder = tmp_path_factory.mktemp("banks")
    save_bank(bank, folder / "a.bank")
    found = load_bank(folder / "a.bank")
    same(found, bank)
    save_bank(found, folder / "b.bank")
    assert (folder / "a.bank").read_bytes() == (folder / "b.bank").read_bytes()


def refused(path: Path) -> None:
    with pytest.raises(BankMismatch) as caught:
        load_bank(path)
    assert "\n" not in str(caught.value)


def test_random_damage_is_refused(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    generator = np.random.default_rng(int.from_bytes(os.urandom(4), "big"))
    path = tmp_path / "damaged.bank"
    for _ in range(MUTATIONS):
        altered = bytearray(data)
        for _ in range(int(generator.integers(1, 4))):
            place = int(generator.integers(len(altered)))
            match int(generator.integers(4)):
                case 0:
                    altered[place] ^= 1 << int(generator.integers(8))
                case 1:
                    del altered[place:]
                case 2:
                    altered[place:place] = generator.bytes(int(generator.integers(1, 30)))
                case 3:
                    del altered[place : place + int(generator.integers(1, 30))]
            if not altered:
                altered = bytearray(b"\0")
        if bytes(altered) == data:
            continue
        path.write_bytes(altered)
        refused(path)


def altered_content(content: Any, generator: np.random.Generator) -> Any:
    """A copy in which one value, somewhere, is another one."""
    content = copy.deepcopy(content)
    node, key = None, None
    spot: Any = content
    while isinstance(spot, (dict, list)) and spot and (node is None or generator.random() < 0.85):
        node = spot
        key = (
            list(spot)[generator.integers(len(spot))]
            if isinstance(spot, dict)
            else int(generator.integers(len(spot)))
        )
        spot = node[key]
    values = [
        None,
        -1,
        2**40,
        2**70,
        1e300,
        True,
        "",
        "../x",
        "/etc/passwd",
        "C:\\x",
        [],
        {},
        [[]],
        "x" * 5000,
    ]
    if generator.random() < 0.2:
        del node[key]
    else:
        node[key] = values[generator.integers(len(values))]
    return content


def altered_arrays(arrays: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    arrays = {name: values.copy() for name, values in arrays.items()}
    name = sorted(arrays)[generator.integers(len(arrays))]
    values = arrays[name]
    match int(generator.integers(6)):
        case 0:
            arrays[name] = values[:-1]
        case 1:
            arrays[name] = values.astype(np.float16)
        case 2:
            arrays[name] = values[None]
        case 3:
            del arrays[name]
        case 4:
            arrays["more"] = values
        case 5 if values.size:
            flat = values.reshape(-1)
            extreme = (
                [np.nan, np.inf, -5, 3e38]
                if values.dtype.kind == "f"
                else [255]
                if values.dtype.itemsize == 1
                else [-2, 2**30]
            )
            flat.view(np.uint8 if values.dtype == np.bool_ else values.dtype)[
                generator.integers(flat.size)
            ] = extreme[generator.integers(len(extreme))]
    return arrays


def test_sealed_nonsense_is_refused_or_makes_sense(whole: Path, tmp_path: Path) -> None:
    """The seal is right, so that only the bank's own checks stand between a stranger's file and the user."""
    _, content, arrays = read_container(whole, "bank", VERSION)
    path = tmp_path / "made.bank"
    generator = np.random.default_rng(int.from_bytes(os.urandom(4), "big"))
    refusals = 0
    for number in range(MUTATIONS):
        if number % 2:
            write_container(path, "bank", VERSION, altered_content(content, generator), arrays)
        else:
            write_container(path, "bank", VERSION, content, altered_arrays(arrays, generator))
        try:
            bank = load_bank(path)
        except BankMismatch:
            refusals += 1
        else:
            save_bank(bank, tmp_path / "again.bank")  # what was let in is a bank
            same(load_bank(tmp_path / "again.bank"), bank)
    assert refusals > MUTATIONS / 2


def changed(path: Path, whole: Path, change: Any) -> Path:
    _, content, arrays = read_container(whole, "bank", VERSION)
    change(content, arrays)
    write_container(path, "bank", VERSION, content, arrays)
    return path


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("outside its folder", lambda c, a: c["supports"][0]["origin"].update(name="../../secret.jpg")),
        ("outside its folder", lambda c, a: c["supports"][0]["origin"].update(name="/etc/passwd")),
        ("outside its folder", lambda c, a: c["supports"][0]["origin"].update(name="..\\secret.jpg")),
        ("outside its folder", lambda c, a: c["supports"][0]["origin"].update(name="C:\\secret.jpg")),
        ("outside its folder", lambda c, a: c["supports"][0]["origin"].update(name="a\0.jpg")),
        ("hash of support image", lambda c, a: c["supports"][0]["origin"].update(sha256="zz")),
        ("one name", lambda c, a: c["classes"][1].update(name="CAT")),
        ("has the id", lambda c, a: c["classes"].reverse()),
        ("grid of", lambda c, a: c["supports"][0].update(grid=[2**13, 2**13])),
        ("bits they should", lambda c, a: c["supports"][0].update(grid=[2**11, 2**11])),
        ("unit length", lambda c, a: a["vectors.0"].__setitem__((0, 0), np.nan)),
        ("unit length", lambda c, a: a["vectors.0"].__imul__(2)),
        ("neither true nor false", lambda c, a: a["foreground.0"].view(np.uint8).__setitem__(0, 2)),
        ("class 99", lambda c, a: a["classes.0"].__setitem__(0, 99)),
        ("no region", lambda c, a: a["regions.0"].__setitem__(0, -1)),
        ("region 9999", lambda c, a: a["regions.0"].__setitem__(0, 9999)),
        ("belongs to no support", lambda c, a: a["region_supports"].__setitem__(0, 77)),
        ("is empty", lambda c, a: a["region_bits"].__setitem__(slice(0, 3), 0)),
        ("do not belong to text", lambda c, a: c["spaces"][1].update(texts=[])),
        ("one space", lambda c, a: c["spaces"][1].update(space=c["spaces"][0]["space"])),
        ("content is not that", lambda c, a: c.update(kinds=["class"])),
    ],
)
def test_each_check_says_what_is_wrong(whole: Path, tmp_path: Path, why: str, change: Any) -> None:
    path = changed(tmp_path / "changed.bank", whole, change)
    with pytest.raises(BankMismatch, match=why):
        load_bank(path)


def test_bits_beyond_the_grid_are_refused(tmp_path: Path) -> None:
    bank = small_bank()
    support = replace(bank.supports[0], grid=(1, 3))
    mask = np.ones((1, 3), np.bool_)
    table = replace(bank.tables["text"])
    small = PrototypeBank(bank.classes, {"text": table}, (support,), (SupportRegion(0, mask),))
    save_bank(small, tmp_path / "small.bank")
    path = changed(
        tmp_path / "changed.bank", tmp_path / "small.bank", lambda c, a: a["region_bits"].__setitem__(0, 255)
    )
    with pytest.raises(BankMismatch, match="beyond its grid"):
        load_bank(path)


@pytest.mark.parametrize("header", [2**63, 2**40, 10**8, 0])
def test_huge_headers_are_not_believed(whole: Path, tmp_path: Path, header: int) -> None:
    path = tmp_path / "huge.bank"
    path.write_bytes(header.to_bytes(8, "little") + whole.read_bytes()[8:])
    refused(path)


def test_other_files_versions_and_kinds(whole: Path, tmp_path: Path) -> None:
    for name, data in (("empty", b""), ("text", b"hello"), ("zeros", bytes(1000)), ("deep", b"[" * 10**5)):
        (tmp_path / name).write_bytes(data)
        refused(tmp_path / name)
    refused(tmp_path / "missing.bank")
    refused(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe")
    _, content, arrays = read_container(whole, "bank", VERSION)
    write_container(tmp_path / "newer.bank", "bank", VERSION + 1, content, arrays)
    with pytest.raises(BankMismatch, match=f"version {VERSION + 1}"):
        load_bank(tmp_path / "newer.bank")
    write_container(tmp_path / "older.bank", "bank", 1, content, arrays)
    with pytest.raises(BankMismatch, match="a bank of version 1, this ovseg reads 2: build it again"):
        load_bank(tmp_path / "older.bank")
    write_container(tmp_path / "pool", "pool", 1, content, arrays)
    with pytest.raises(BankMismatch, match="it is an ovseg pool, not a bank"):
        load_bank(tmp_path / "pool")
