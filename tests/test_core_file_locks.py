from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ovseg.errors import OutputError
from ovseg.file_locks import waiting_lock


def test_one_at_a_time_and_nothing_left(tmp_path: Path) -> None:
    lock, inside, most, waited = tmp_path / "new" / "x.lock", [0], [0], []

    def work() -> None:
        for _ in range(5):
            with waiting_lock(lock, lambda: waited.append(1)):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                # Long enough for the others to come to the lock.
                threading.Event().wait(0.02)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert waited
    assert list(lock.parent.iterdir()) == []


def test_what_a_killed_process_left_does_not_hold(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.touch()
    with waiting_lock(lock, lambda: pytest.fail("nobody holds it")):
        assert lock.exists()
    assert not lock.exists()


def test_an_error_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), waiting_lock(tmp_path / "x.lock"):
        raise KeyError
    with waiting_lock(tmp_path / "x.lock", lambda: pytest.fail("nobody holds it")):
        pass


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), waiting_lock(tmp_path / "file" / "x.lock"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
