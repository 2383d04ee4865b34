"""A tiny random pipeline, saved once."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random Stable Diffusion pipeline whose pictures have 32 px a side."""
    pytest.importorskip("diffusers", reason="needs the extra diffusion")
    pytest.importorskip("transformers", reason="needs the extra diffusion")
    import torch
    from tiny_diffusion import save_tiny_pipeline

    torch.set_num_threads(1)
    return save_tiny_pipeline(tmp_path_factory.mktemp("pipelines") / "tiny")
