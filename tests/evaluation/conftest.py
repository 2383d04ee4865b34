from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs with truth, where the machine has it."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("OVSEG_DATA") or beside)
    if not (folder / "voc_mini").is_dir():
        pytest.skip("no real photographs: set OVSEG_DATA")
    return folder
