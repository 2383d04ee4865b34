"""The command line in this process, with the segmenter of the test doubles in place of the real one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import ColourSegmenter
from PIL import Image
from typer.testing import CliRunner

from ovseg.cli.app import application
from ovseg.errors import UnknownName

Invoke = Callable[..., Any]


@pytest.fixture
def ovseg() -> Invoke:
    """``ovseg("segment", path, …)`` gives a result with ``exit_code``, ``stdout`` and ``stderr``."""

    def invoke(*arguments: object, **options: Any) -> Any:
        return CliRunner().invoke(
            application(), [str(a) for a in arguments], catch_exceptions=False, **options
        )

    return invoke


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put the double in the place of ``Segmenter``; the list collects what it was made with."""
    calls: list[dict[str, Any]] = []

    class Segmenter(ColourSegmenter):
        def __init__(self, preset: str = "auto", **settings: Any) -> None:
            super().__init__()
            if preset not in ("auto", "fake"):
                raise UnknownName(f"unknown preset {preset!r}: there is fake")
            calls.append({"preset": preset, **settings})

    monkeypatch.setitem(sys.modules, "ovseg.pipeline", SimpleNamespace(Segmenter=Segmenter))
    return calls


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three small images below ``photos``, one of them in a sub-folder."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    Image.new("RGB", (8, 6), "red").save(folder / "red.png")
    Image.new("RGB", (8, 6), "lime").save(folder / "green.jpg", quality=95)
    Image.new("RGB", (8, 6), "blue").save(folder / "sub" / "blue.png")
    return folder
