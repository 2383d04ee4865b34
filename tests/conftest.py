"""What all tests share: nothing reaches the network, caches and configuration of the user stay out."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _sealed(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        if name.startswith("OVSEG_") and name != "OVSEG_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
