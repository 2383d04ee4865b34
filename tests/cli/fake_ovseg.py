"""The command line as a program of its own, with the double in place of the segmenter.

``FAKE_SECONDS`` is the time that each image takes.
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
        return cls(seconds=float(os.environ.get("FAKE_SECONDS", "0")))


if __name__ == "__main__":
    sys.modules["ovseg.pipeline"] = SimpleNamespace(Segmenter=Segmenter)  # type: ignore[assignment]
    main()
