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


class Segmenter(ColourSegmenter):
    @classmethod
    def from_preset(cls, preset: str = "auto", **settings: Any) -> Segmenter:
        halt = os.environ.get("FAKE_HALT")
        return cls(float(os.environ.get("FAKE_SECONDS", "0")), None if halt is None else int(halt))


if __name__ == "__main__":
    sys.modules["ovseg.pipeline"] = SimpleNamespace(Segmenter=Segmenter)  # type: ignore[assignment]
    main()
