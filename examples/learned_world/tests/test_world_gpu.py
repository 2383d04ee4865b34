"""On a CUDA device everything is as on the CPU, up to rounding."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from learned_world.check import held_out_scenes
from learned_world.encoders import SIDE
from learned_world.generate import generation
from learned_world.names import THINGS
from learned_world.route import ALONE, Banks
from learned_world.train.common import WEIGHTS
from learned_world.vocabulary import SEGMENT, world_vocabulary
from ovseg.discovery import DiscoveryConfig
from ovseg.encoders.presets import LoadContext, open_preset
from ovseg.pipeline.discoverer import Discoverer
from ovseg.pipeline.segmenter import Segmenter
from ovseg.support.config import BankConfig
from ovseg.support.diffusion import Sampler, find_model, load_prompting
from ovseg.support.diffusion.sampler import Request
from ovseg.vocabulary import ClassSpec

pytestmark = pytest.mark.gpu

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(scope="module")
def scenes():
    return held_out_scenes(6)


@pytest.fixture(scope="module")
def encoders():
    return {device: open_preset("world", LoadContext(device)) for device in (CPU, CUDA)}


def test_names_give_the_same_labels(scenes, encoders):
    here, there = (Segmenter(encoders[device], SEGMENT) for device in (CPU, CUDA))
    vocabulary = world_vocabulary(THINGS)
    for scene in scenes:
        one, other = (s.segment(scene.pixels, vocabulary).labels for s in (here, there))
        assert (one == other).mean() >= 0.99


def test_half_precision_is_near(scenes):
    vocabulary = world_vocabulary(THINGS)
    here = Segmenter("world", config=SEGMENT, device="cpu", dtype="float32")
    there = Segmenter("world", config=SEGMENT, device="cuda", dtype="bfloat16")
    shares = [
        np.mean(here.segment(s.pixels, vocabulary).labels == there.segment(s.pixels, vocabulary).labels)
        for s in scenes
    ]
    assert np.mean(shares) >= 0.95


def test_banks_give_the_same_labels(scenes, encoders, tmp_path):
    labels = []
    for device in (CPU, CUDA):
        bank = Banks(encoders[device], THINGS[:4], tmp_path / device.type)
        built = bank.ceiling(BankConfig(4, SEGMENT.encoding))
        segmenter = Segmenter(encoders[device], ALONE, bank=built)
        labels.append([segmenter.segment(s.pixels, world_vocabulary(THINGS[:4])).labels for s in scenes])
    assert np.mean([(a == b).mean() for a, b in zip(*labels, strict=True)]) >= 0.98


def test_discovery_finds_the_same_objects(scenes, encoders):
    config = DiscoveryConfig(image_size=SIDE)
    for scene in scenes:
        one, other = (
            Discoverer(encoders[device], config).discover(scene.pixels).regions for device in (CPU, CUDA)
        )
        assert len(one) == len(other)
        if one:
            a, b = one[0].mask, other[0].mask
            assert (a & b).sum() >= 0.9 * (a | b).sum()


# diffusers' own deprecations, of how its classes call each other.
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_seed_gives_the_same_picture():
    pytest.importorskip("diffusers")
    config = replace(generation(WEIGHTS / "diffusion", 2), dtype="float32", steps=4)
    prompting = load_prompting()
    requests = [Request(prompting.prompt(ClassSpec("star"), i), i) for i in range(2)]
    made = [
        [s.pixels.astype(int) for s in Sampler(find_model(config), config, device).sample(requests)]
        for device in (CPU, CUDA)
    ]
    for one, other in zip(*made, strict=True):
        assert np.abs(one - other).mean() < 2
