"""Memory of the process: what is measured, and what is given back."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from ovseg import memory
from ovseg.memory import Allocator, BoundedCache

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
MIB = 1 << 20


def alone(code: str) -> None:
    """Run in a process of its own, whose memory nothing but this code moves."""
    start = (
        "import numpy as np\nfrom ovseg.memory import Allocator, peak_bytes, resident_bytes\nMIB = 1 << 20\n"
    )
    subprocess.run([sys.executable, "-c", start + textwrap.dedent(code)], check=True)


@linux
def test_resident_memory_follows_what_is_touched():
    alone("""
        before = resident_bytes()
        block = np.ones(96 * MIB, np.uint8)
        grown = resident_bytes() - before
        assert 90 * MIB < grown < 110 * MIB, grown
        assert peak_bytes() >= before + grown
        del block
        assert resident_bytes() < before + 20 * MIB
    """)


@linux
def test_the_peak_is_that_of_the_process_itself_not_of_its_parent():
    block = np.ones(256 * MIB, np.uint8)
    child = subprocess.run(
        [sys.executable, "-c", "from ovseg.memory import peak_bytes; print(peak_bytes())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 2 * MIB < int(child.stdout) < 100 * MIB < len(block)


@linux
def test_holes_in_the_heap_are_given_back():
    if memory._malloc_trim() is None:
        pytest.skip("this C library has no malloc_trim")
    # Blocks below glibc's least threshold for maps of their own lie in the heap; survivors pin its top.
    alone("""
        heap = Allocator(64 * MIB)
        assert not heap.trim()
        blocks = [np.ones(100_000, np.uint8) for _ in range(3000)]
        survivors = blocks[::100]
        full = resident_bytes()
        del blocks
        assert resident_bytes() > full - 50 * MIB
        assert heap.trim()
        assert resident_bytes() < full - 200 * MIB
        assert all(block.sum() == 100_000 for block in survivors)
        assert not heap.trim()
    """)


def test_nothing_is_trimmed_within_the_slack(monkeypatch: pytest.MonkeyPatch):
    resident = iter([100, 150, 90, 140, 141, 95, 145, 146, 99])
    trimmed: list[int] = []
    monkeypatch.setattr(memory, "resident_bytes", lambda: next(resident))
    monkeypatch.setattr(memory, "_malloc_trim", lambda: trimmed.append)
    heap = Allocator(50)
    # From 100 up to 150 is within the slack; 90 is a new low, from which 141 is too far; 95 is what remains.
    assert [heap.trim() for _ in range(4)] == [False, False, False, True]
    assert [heap.trim() for _ in range(2)] == [False, True]
    assert trimmed == [0, 0]


@pytest.mark.parametrize("missing", ["resident_bytes", "_malloc_trim"])
def test_a_system_without_either_is_left_alone(monkeypatch: pytest.MonkeyPatch, missing: str):
    monkeypatch.setattr(memory, missing, lambda: None)
    assert not Allocator(0).trim()


def test_a_cache_keeps_what_was_used_last() -> None:
    cache: BoundedCache[int] = BoundedCache(2)
    made: list[str] = []

    def value(key: str) -> int:
        return cache.get(key, lambda: made.append(key) or len(made))

    assert [value("a"), value("b"), value("a"), value("c"), value("a"), value("b")] == [1, 2, 1, 3, 1, 4]
    assert made == ["a", "b", "c", "b"]
    assert len(cache) == 2
