"""Nothing reaches the network, and the user's caches and configuration stay out."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        if name.startswith("OVSEG_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OVSEG_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "ovseg-cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path_factory.getbasetemp() / "no-hub"))
