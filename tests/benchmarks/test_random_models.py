"""Pipelines with random weights: the tokenizer is CLIP's, and the parts fit together."""

from __future__ import annotations

import pytest
import torch

from benchmarks import random_models
from ovseg.support.diffusion.config import DiffusionConfig
from ovseg.support.diffusion.models import ModelRecord
from ovseg.support.diffusion.prompting import load_prompting
from ovseg.support.diffusion.sampler import Request, Sampler
from ovseg.vocabulary import ClassSpec

pytest.importorskip("diffusers", reason="needs the extra diffusion")
pytest.importorskip("transformers", reason="needs the extra diffusion")


@pytest.mark.parametrize(
    "text", ["a photo of a cat", "an aeroplane, 2 engines!", "Pottedplant café's", "snowman ☃"]
)
def test_the_tokenizer_is_clips(text):
    import open_clip

    expected = open_clip.tokenize([text])[0]
    found = random_models.clip_tokenizer()(text).input_ids
    assert found == expected[: len(found)].tolist()
    assert not expected[len(found) :].any()


def test_a_pipeline_of_any_size_draws(monkeypatch, tmp_path):
    size = {
        "latent": 8,
        "unet": (32, 64),
        "layers": 1,
        "heads": 4,
        "vae": (32, 32, 32, 32),
        "text": (32, 2, 2),
    }
    monkeypatch.setitem(random_models.SIZES, "tiny", size)
    state = torch.random.get_rng_state()
    pipes = [random_models.random_pipeline("tiny", torch.device("cpu"), torch.float32) for _ in range(2)]
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = [pipe.unet.conv_in.weight for pipe in pipes]
    assert torch.equal(*weights)
    config = DiffusionConfig(model="random", steps=1)
    sampler = Sampler(
        ModelRecord("random", "folder", tmp_path, "0", "none"), config, torch.device("cpu"), pipes[0]
    )
    (sample,) = sampler.sample([Request(load_prompting().prompt(ClassSpec("dining table"), 0), 1)])
    assert sample.pixels.shape == (64, 64, 3)
    assert sample.attribution.shape == (8, 8)
