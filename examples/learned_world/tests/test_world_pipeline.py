"""The diffusion pipeline that ovseg brings loads by its layout, and has learned to listen to names."""

import json

import numpy as np
import pytest
import torch

from learned_world.check import discovery
from learned_world.judge import singles
from learned_world.names import THINGS
from learned_world.train.common import WEIGHTS
from learned_world.train.pool import SAMPLES
from ovseg.encoders.presets import LoadContext, Preset, PresetCard, open_preset
from ovseg.encoders.roles import ModelChoice
from ovseg.files import file_sha256

FOLDER = WEIGHTS / "diffusion"


def test_the_files_are_those_on_record():
    record = json.loads((FOLDER / "training.json").read_text())
    assert len(record["sha256"]) == 3
    for name, known in record["sha256"].items():
        assert file_sha256(FOLDER / name) == known
    # All of the world's models together stay small.
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*.safetensors")) < 20_000_000


# diffusers' own deprecations, of how its classes call each other.
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_noise_is_told_from_pictures_better_with_the_right_name_than_with_a_wrong_one():
    diffusers = pytest.importorskip("diffusers")
    pipe = diffusers.DiffusionPipeline.from_pretrained(FOLDER, torch_dtype=torch.float32)
    assert type(pipe).__name__ == "StableDiffusionPipeline"
    pixels, labels = singles(SAMPLES, 48, 99)
    names = [THINGS[label] for label in labels]
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    losses = []
    with torch.no_grad():
        clean = pipe.vae.encode(images).latent_dist.mean * pipe.vae.config.scaling_factor
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        time = torch.full((len(names),), 800)
        noisy = pipe.scheduler.add_noise(clean, noise, time)
        wanted = pipe.scheduler.get_velocity(clean, noise, time)
        for shift in (0, 3):
            targets = [
                f"a photo of a {THINGS[(THINGS.index(name) + shift) % len(THINGS)]}." for name in names
            ]
            ids = pipe.tokenizer(targets, padding="max_length", return_tensors="pt").input_ids
            words = pipe.text_encoder(ids).last_hidden_state
            found = pipe.unet(noisy, time, encoder_hidden_states=words).sample
            losses.append(float(((found - wanted) ** 2).mean()))
    assert np.isfinite(losses).all()
    assert losses[0] < 0.93 * losses[1]


# As above.
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_features_of_the_pipeline_find_objects_without_names():
    pytest.importorskip("diffusers")
    card = PresetCard("diffusion", "", ModelChoice(backbone=f"local-dir:{FOLDER}"))
    alone = Preset(card, LoadContext())
    iou = discovery(alone, 24)
    assert (iou >= 0.5).mean() >= 0.6
    # The image-text model tells things apart better than it tells them from what is around them.
    assert iou.mean() > discovery(open_preset("world"), 24).mean() + 0.1
