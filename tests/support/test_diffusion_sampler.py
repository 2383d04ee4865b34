"""Sampling: seeds, batches, sizes, flaws, and prompts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ovseg.support.diffusion.config import DiffusionConfig
from ovseg.support.diffusion.models import ModelRecord, find_model
from ovseg.support.diffusion.prompting import Prompt
from ovseg.support.diffusion.sampler import Request, Sampler


def sampler_of(folder, **settings) -> Sampler:
    config = DiffusionConfig(model=str(folder), **{"steps": 4, **settings})
    return Sampler(find_model(config), config, torch.device("cpu"))


def requests_of(*seeds: int) -> list[Request]:
    return [Request(Prompt("a cat", "red", 2, 5), seed) for seed in seeds]


def test_size_is_the_models_own_unless_asked_otherwise(tiny_folder):
    assert sampler_of(tiny_folder).sample(requests_of(1))[0].pixels.shape == (32, 32, 3)
    larger = sampler_of(tiny_folder, size=48).sample(requests_of(1))[0]
    assert larger.pixels.shape == (48, 48, 3)
    assert larger.attribution.shape == (12, 12)


def test_the_same_seed_gives_the_same_picture_in_any_batch(tiny_folder):
    sampler = sampler_of(tiny_folder)
    alone = [sampler.sample([request])[0] for request in requests_of(1, 2, 3)]
    for order in ((1, 2, 3), (3, 1, 2)):
        together = dict(zip(order, sampler.sample(requests_of(*order)), strict=True))
        for seed, sample in zip((1, 2, 3), alone, strict=True):
            # The noise is the same to the bit; products of other shapes round otherwise, by a grey level.
            other = together[seed]
            assert np.abs(sample.pixels.astype(int) - other.pixels).max() <= 1
            np.testing.assert_allclose(sample.attribution, other.attribution, atol=1e-3)
    assert not np.array_equal(alone[0].pixels, alone[1].pixels)


def test_the_same_batch_twice_is_the_same_to_the_bit(tiny_folder):
    first = sampler_of(tiny_folder).sample(requests_of(1, 2))
    again = sampler_of(tiny_folder).sample(requests_of(1, 2))
    for sample, other in zip(first, again, strict=True):
        assert np.array_equal(sample.pixels, other.pixels)
        assert np.array_equal(sample.attribution, other.attribution)


@pytest.mark.parametrize(
    ("scheduler", "name"),
    [
        ("auto", "DPMSolverMultistepScheduler"),
        ("dpmsolver++", "DPMSolverMultistepScheduler"),
        ("ddim", "DDIMScheduler"),
        ("native", "PNDMScheduler"),
    ],
)
def test_schedulers_are_chosen_by_name_and_keep_the_noise_levels(tiny_folder, scheduler, name):
    sampler = sampler_of(tiny_folder, scheduler=scheduler)
    assert sampler.metadata()["scheduler"] == name
    if scheduler == "dpmsolver++":
        assert sampler.pipe.scheduler.config.algorithm_type == "dpmsolver++"
        # As the model was trained: the noise levels are taken over.
        assert sampler.pipe.scheduler.config.beta_start == 0.00085


def doubled(images: np.ndarray, **output: object) -> Sampler:
    """A sampler whose pipeline gives these pictures."""
    record = ModelRecord("double", "folder", None, "0" * 64, "unknown")
    sampler = Sampler(record, DiffusionConfig(attribution=False), torch.device("cpu"))

    class Pipe:
        def __call__(self, prompt, output_type):
            assert (len(prompt), output_type) == (len(images), "np")
            return SimpleNamespace(images=images, **output)

    sampler._pipe = Pipe()
    return sampler


def test_pictures_that_are_none_say_why():
    good = np.random.default_rng(0).random((4, 4, 3), dtype=np.float32)
    black, overflow = np.zeros_like(good), np.where(good > 0.9, np.nan, good)
    images = np.stack([good, black, overflow, black])
    sampler = doubled(images, nsfw_content_detected=[False, True, False, False])
    flaws = [sample.flaw for sample in sampler.sample(requests_of(1, 2, 3, 4))]
    assert flaws == [
        None,
        "blanked by the model's safety checker",
        "the network's numbers overflowed",
        "blank",
    ]


def test_a_pipeline_gets_only_what_it_knows():
    samples = doubled(np.full((1, 4, 4, 3), 0.5, np.float32)).sample(requests_of(1))
    assert samples[0].pixels.max() == 128


def test_a_pipeline_without_such_attention_says_so_once(tiny_folder):
    sampler = sampler_of(tiny_folder)
    assert sampler.pipe is not None
    assert sampler.note == ""
    sampler._pipe = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ovseg.support.diffusion.attention._cross_attention_names", lambda network: [])
        assert sampler.sample(requests_of(1))[0].attribution is None
    assert "has no cross-attention" in sampler.note


def test_a_name_that_cannot_be_found_has_no_attribution(tiny_folder):
    sampler = sampler_of(tiny_folder)
    requests = [*requests_of(1), Request(Prompt("a catwalk", "", 2, 5), 2)]
    found, lost = sampler.sample(requests)
    assert found.attribution is not None
    assert lost.attribution is None
    assert "'cat' cannot be found" in sampler.note


def test_facts_are_plain(tiny_folder):
    metadata = sampler_of(tiny_folder).metadata()
    assert metadata["pipeline"] == "StableDiffusionPipeline"
    assert metadata["dtype"] == "float32"
    assert metadata["device"] == "cpu"
