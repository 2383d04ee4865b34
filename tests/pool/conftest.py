from __future__ import annotations

from pathlib import Path

import pytest
from pool_fakes import paint, pool_encoders

from ovseg.encoders.presets import Preset


@pytest.fixture
def encoders() -> Preset:
    return pool_encoders()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three reds of falling purity, two greens, a blue, a grey, and one file that is no photo."""
    folder = tmp_path / "photos"
    paint(folder / "red-1.png", (235, 20, 20), seed=1)
    paint(folder / "red-2.png", (215, 40, 40), seed=2)
    paint(folder / "sub/red-3.png", (200, 55, 55), seed=3)
    paint(folder / "green-1.png", (30, 225, 30), seed=4)
    paint(folder / "green-2.png", (60, 200, 60), seed=5)
    paint(folder / "blue.png", (30, 30, 225), seed=6)
    paint(folder / "grey.png", (128, 128, 128), seed=7)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder
