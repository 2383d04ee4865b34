"""What the denoiser is trained on, and how its errors count."""

import json

import numpy as np
import pytest
import torch

from learned_world.generate import SIDE
from learned_world.train import autoencoder, denoiser
from learned_world.train.denoiser import balanced, build_text_encoder, build_unet, learn_words, weight
from learned_world.train.export import read_record
from learned_world.train.loop import LoopConfig
from learned_world.train.pool import make_pool


def test_errors_count_alike_from_a_signal_to_noise_ratio_of_five_on():
    ratio = torch.tensor([0.0, 1.0, 5.0, 11.0])
    assert weight(ratio).tolist() == [1.0, 1.0, 1.0, 0.5]
    # Times ratio + 1 it is the weight of the clean latents' error (Salimans & Ho, 2022).
    assert (weight(ratio) * (ratio + 1)).tolist() == [1.0, 2.0, 6.0, 6.0]


def test_a_batch_shows_each_thing_as_often():
    groups = [np.array([0]), np.array([1, 2, 3, 4, 5]), np.array([6, 7])]
    chosen = balanced(groups, 8, np.random.default_rng(0))
    counts = [sum(index in group for index in chosen) for group in groups]
    assert sorted(counts) == [2, 3, 3]


def test_the_captions_embedding_begins_as_nothing():
    pytest.importorskip("diffusers")
    torch.manual_seed(0)
    unet = build_unet().eval()
    x, time, words = torch.randn(2, 4, 16, 16), torch.tensor([10, 900]), torch.randn(2, 24, 96)
    with torch.inference_mode():
        assert unet.add_embedding(words).abs().max() == 0
        assert unet(x, time, encoder_hidden_states=words).sample.shape == x.shape


def test_each_word_gets_a_direction_of_its_own_and_the_rest_share_one():
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    encoder = build_text_encoder(40)
    texts = torch.randint(10, 38, (64, 24), generator=torch.Generator().manual_seed(1))
    texts[:, 5] = torch.tensor([3, 4] * 32)
    cosine = learn_words(encoder, {3: "cat", 4: "key"}, texts, steps=80)
    assert cosine > 0.9
    with torch.inference_mode():
        found = torch.nn.functional.normalize(encoder(texts).last_hidden_state, dim=-1)
    cats, keys, rest = found[::2, 5].mean(0), found[1::2, 5].mean(0), found[:, 6:].mean((0, 1))
    assert float(cats @ keys) < 0.5
    assert float(rest @ keys) < 0.5
    assert float((found[:, 6:] @ rest).min()) > 0.5


# diffusers' own deprecations, of how its classes call each other.
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_few_steps_leave_a_pipeline_that_diffusers_loads(tmp_path, monkeypatch):
    diffusers = pytest.importorskip("diffusers")
    monkeypatch.setattr(denoiser, "WORD_STEPS", 3)
    folder, work = tmp_path / "pipeline", tmp_path / "work"
    pool = make_pool(40, 0)
    brief = LoopConfig(steps=2, batch=4, rate=1e-3, warmup=1, ema=0.9)
    autoencoder.train(pool, brief, folder / "vae", work, "cpu")
    denoiser.train(pool, brief, folder, work, "cpu")
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    (image,) = pipe("a cat", num_inference_steps=2, output_type="np").images
    assert image.shape == (SIDE, SIDE, 3)
    assert np.isfinite(image).all()
    record = json.loads((folder / "training.json").read_text())
    assert len(record["sha256"]) == 3
    assert record["settings"]["batch"] == 4
    assert record["autoencoder"] == read_record(folder / "vae")
    assert record["autoencoder"]["command"].startswith("python -m learned_world.train.autoencoder")
    assert record["autoencoder"]["settings"] == record["settings"]
    assert all(str(tmp_path) not in path.read_text() for path in folder.rglob("*.json"))
