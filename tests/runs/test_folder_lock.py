"""Who may work in a run folder at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovseg.errors import OutputError
from ovseg.runs.folder_lock import folder_lock

WHOLE, FIRST, SECOND = (1, 1), (1, 2), (2, 2)


@pytest.mark.parametrize(
    ("held", "wanted", "granted"),
    [
        (WHOLE, WHOLE, False),
        (WHOLE, FIRST, False),
        (FIRST, WHOLE, False),
        (FIRST, FIRST, False),
        (FIRST, SECOND, True),
    ],
)
def test_who_excludes_whom(
    tmp_path: Path, held: tuple[int, int], wanted: tuple[int, int], granted: bool
) -> None:
    with folder_lock(tmp_path, held):
        if granted:
            with folder_lock(tmp_path, wanted):
                pass
        else:
            with pytest.raises(OutputError, match="is in use by another run"), folder_lock(tmp_path, wanted):
                pass
    with folder_lock(tmp_path, wanted):
        pass


def test_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*\.lock: Is a directory"), folder_lock(tmp_path):
        pass
