"""Features of a small random Stable Diffusion pipeline, against diffusers' modules called step by step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from shaken import pictures

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from tiny_diffusion import save_tiny_pipeline, tiny_pipeline

from ovseg.encoders.context import LoadContext
from ovseg.encoders.visual.diffusion import (
    OVDIFF_LAYERS,
    DiffusionFeatures,
    DiffusionFeaturesConfig,
    cross_attention_layers,
    load_diffusion,
    read_pipeline,
)
from ovseg.encoders.visual.load import load_visual
from ovseg.errors import ConfigError, WeightsUnavailable

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_pipeline(tmp_path_factory.mktemp("pipeline") / "tiny")


@pytest.fixture(scope="module")
def dense(folder: Path) -> DiffusionFeatures:
    return read_pipeline(folder).eval()


@torch.inference_mode()
def test_queries_are_those_of_the_unet_after_one_step_of_noise(dense, folder):
    images = pictures(32, 64, count=2)
    pipe = tiny_pipeline()  # the same seed, the same weights
    latents = pipe.vae.encode(2 * images - 1).latent_dist.mean * pipe.vae.config.scaling_factor
    noise = torch.randn(latents.shape[1:], generator=torch.Generator().manual_seed(43))
    alpha = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2).cumprod(0)[200]
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    ids = pipe.tokenizer("", padding="max_length", max_length=77, return_tensors="pt").input_ids
    prompt = pipe.text_encoder(ids).last_hidden_state.expand(2, -1, -1)
    kept = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, out: kept.append(out))
        for name, module in pipe.unet.named_modules()
        if name.endswith("attn2.to_q")
    ]
    pipe.unet(noisy, 200, prompt)
    for hook in hooks:
        hook.remove()
    parts = []
    for queries in kept:
        rows = int((queries.shape[1] / 2) ** 0.5)  # the picture is twice as wide as high
        grid = queries.transpose(1, 2).reshape(2, -1, rows, 2 * rows)
        parts.append(F.normalize(F.interpolate(grid, (8, 16), mode="bilinear"), dim=1))
    found = dense(images, [(-1, "query")])[(-1, "query")]
    assert found.shape == (2, 8, 16, sum(part.shape[1] for part in parts))
    torch.testing.assert_close(found, torch.cat(parts, 1).permute(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_each_layer_weighs_the_same_and_batches_do_not_matter(dense):
    images = pictures(32, 48, count=3)
    both = dense(images, [(0, "query"), (-1, "token")])
    count = len(cross_attention_layers(dense.unet))
    torch.testing.assert_close(both[(0, "query")].square().sum(-1), torch.full((3, 8, 12), float(count)))
    torch.testing.assert_close(both[(-1, "token")].square().sum(-1), torch.full((3, 8, 12), 3.0))
    for index in range(3):
        alone = dense(images[index : index + 1], [(-1, "query"), (-1, "token")])
        for facet in ("query", "token"):
            torch.testing.assert_close(
                alone[(-1, facet)][0], both[(0 if facet == "query" else -1, facet)][index]
            )


def test_tokens_begin_with_the_latents(dense):
    images = pictures(32, 32)
    with torch.inference_mode():
        found = dense(images, [(-1, "token")])[(-1, "token")]
        latents = dense.latents(images).permute(0, 2, 3, 1)
    torch.testing.assert_close(found[..., :4], F.normalize(latents, dim=-1))


def test_ovdiffs_layers_are_those_of_stable_diffusion():
    """Encoder blocks have 2 + 2 + 2 cross-attentions, the middle 1, decoder blocks 3 + 3 + 3."""
    names = [f"down{block}.{i}" for block in range(3) for i in range(2)] + ["mid"]
    names += [f"up{block}.{i}" for block in (1, 2, 3) for i in range(3)]
    assert [names[layer] for layer in OVDIFF_LAYERS] == [
        "down0.0", "mid", "up1.0", "up1.1", "up1.2", "up2.0", "up2.1", "up2.2", "up3.2",
    ]  # fmt: skip


def test_layers_and_steps_are_checked(folder):
    chosen = read_pipeline(folder, DiffusionFeaturesConfig(layers=(1,), timestep=10))
    with torch.inference_mode():
        assert chosen(pictures(32, 32), [(-1, "query")])[(-1, "query")].shape[-1] == 16
    with pytest.raises(ConfigError, match="layers must be below"):
        read_pipeline(folder, DiffusionFeaturesConfig(layers=(99,)))
    with pytest.raises(ConfigError, match="timestep must be below 1000"):
        read_pipeline(folder, DiffusionFeaturesConfig(timestep=1000))
    with pytest.raises(ConfigError, match="at least 0"):
        DiffusionFeaturesConfig(layers=())


def test_a_pipeline_loads_as_any_visual_encoder(folder):
    encoder = load_visual(f"local-dir:{folder}", LoadContext())
    assert encoder.family == "diffusion"
    assert encoder.patch == 4
    assert encoder.encode(pictures(16, 24), [(-1, "query")])[(-1, "query")].shape[:3] == (1, 4, 6)
    about = encoder.describe()
    assert (about["timestep"], about["seed"]) == (200, 43)
    assert "diffusion" in about["what"]


def test_folders_that_hold_no_pipeline(folder, tmp_path):
    with pytest.raises(WeightsUnavailable, match="no folder"):
        load_diffusion(f"local-dir:{tmp_path / 'none'}", LoadContext())
    with pytest.raises(WeightsUnavailable, match="is no Stable Diffusion pipeline"):
        read_pipeline(tmp_path)
    with pytest.raises(ConfigError, match="facets must be among query, token"):
        read_pipeline(folder)(pictures(32, 32), [(-1, "key")])
