"""``ovseg`` as a program of its own, with the double in place of the encoders and small parts."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pool_fakes import fake_card

import ovseg.encoders.presets as presets
import ovseg.runs.pool
from ovseg.cli import main

if __name__ == "__main__":
    card = fake_card()
    presets.choose_preset = lambda *_, **__: card
    ovseg.runs.pool.PART = 3
    main()
