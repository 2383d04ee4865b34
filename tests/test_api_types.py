"""Type checkers know what ovseg exports: strict mypy agrees with every line of ``user_code.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_user_code_is_typed() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", str(ROOT / "tests" / "user_code.py")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
