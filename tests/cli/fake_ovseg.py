"""The command line as a program of its own, with the double in place of the segmenter.

``FAKE_SECONDS`` is the time that each image takes, ``FAKE_HALT`` the number of images after which the double
stands still.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes import ColourSegmenter

from ovseg.cli import main


def make_segmenter(preset: str = "auto", **settings: Any) -> ColourSegmenter:
    halt = os.environ.get("FAKE_HALT")
    return ColourSegmenter(float(os.environ.get("FAKE_SECONDS", "0")), None if halt is None else int(halt))


if __name__ == "__main__":
    sys.modules["ovseg.pipeline"] = SimpleNamespace(Segmenter=make_segmenter)  # type: ignore[assignment]
    main()
