"""Train the diffusion pipeline's text encoder and U-Net on the autoencoder's latents, and write the pipeline.

``python -m ovseg.world.train.denoiser`` needs the ``vae`` folder that :mod:`ovseg.world.train.autoencoder`
wrote, and completes a folder in Stable Diffusion's layout, which ``DiffusionPipeline.from_pretrained`` loads.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ovseg.world.captions import facts, noise_caption
from ovseg.world.tokens import CONTEXT, write_tokenizer
from ovseg.world.train.common import arguments
from ovseg.world.train.export import half_state, save_half, write_record
from ovseg.world.train.loop import Loop, LoopConfig
from ovseg.world.train.pool import Pool, make_pool

DROPOUT = 0.12
"""Share of pictures whose caption is withheld, for guidance: half empty, half words that say nothing."""


def build_text_encoder(vocabulary: int) -> Any:
    """A small ``CLIPTextModel``."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=96,
            intermediate_size=384,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT,
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
            pad_token_id=vocabulary - 1,
            projection_dim=96,
        )
    )


def build_unet() -> Any:
    """A small ``UNet2DConditionModel`` for 16 × 16 latents, with cross-attention at 8 × 8."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(48, 80),
        layers_per_block=1,
        cross_attention_dim=96,
        attention_head_dim=4,  # in this class the number of heads
        norm_num_groups=16,
        # The caption reaches every layer, not cross-attention alone: names are learned sooner.
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )


def learn_words(encoder: Any, texts: list[str], ids: torch.Tensor, steps: int) -> None:
    """Bring the mean hidden state of each caption near the sum of random directions, one for each fact.

    Args:
        encoder: A ``CLIPTextModel``; changed in place.
        texts: N captions.
        ids: (N, L) their tokens.
        steps: Optimizer steps.
    """
    said = [facts(text) for text in texts]
    known = sorted(set().union(*said))
    directions = torch.randn(
        len(known), encoder.config.hidden_size, generator=torch.Generator().manual_seed(0)
    )
    wanted = torch.tensor([[float(fact in text) for fact in known] for text in said]) @ directions
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        chosen = torch.from_numpy(rng.integers(0, len(texts), 64))
        found = encoder(ids[chosen]).last_hidden_state.mean(1)
        loss = 1 - nn.functional.cosine_similarity(found, wanted[chosen].to(found.device)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    print(f"words: cosine {1 - loss.item():.3f}", flush=True)


def schedule() -> Any:
    """Stable Diffusion's noise schedule, with velocity prediction (Salimans & Ho, ICLR 2022)."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def encode_pool(vae: Any, pool: Pool, device: str) -> torch.Tensor:
    """(N, 4, 16, 16) latents of unit deviation of all pictures, each at the mean of its posterior."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(pool), 64):
            pixels = torch.from_numpy(np.array(pool.pixels[start : start + 64])).permute(0, 3, 1, 2)
            images = pixels.float().to(device) / 127.5 - 1
            found.append(vae.encode(images).latent_dist.mean.cpu() * vae.config.scaling_factor)
    return torch.cat(found).clone()


def train(pool: Pool, config: LoopConfig, folder: Path, work: Path, device: str) -> None:
    """Train on a pool and write all of the pipeline but the autoencoder, which is there."""
    from diffusers import AutoencoderKL, StableDiffusionPipeline
    from transformers import CLIPTokenizer

    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).to(device).eval()
    vocabulary = write_tokenizer(folder / "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    latents = encode_pool(vae, pool, device)

    def ids(texts: list[str]) -> torch.Tensor:
        found: torch.Tensor = tokenizer(
            texts, padding="max_length", max_length=CONTEXT, truncation=True, return_tensors="pt"
        ).input_ids
        return found.to(device)

    torch.manual_seed(config.seed)
    model = nn.ModuleDict({"text_encoder": build_text_encoder(vocabulary), "unet": build_unet()}).to(device)
    noise_of = schedule()
    if not (work / "denoiser.safetensors").is_file():
        flat = [text for texts in pool.captions for text in texts]
        learn_words(model["text_encoder"], flat, ids(flat), steps=200)
    loop = Loop(model, config, work / "denoiser.safetensors")

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        chosen = rng.integers(0, len(pool), config.batch)
        texts = [pool.captions[i][int(rng.integers(len(pool.captions[i])))] for i in chosen]
        for number, draw in enumerate(rng.random(config.batch)):
            if draw < DROPOUT:
                texts[number] = "" if draw < DROPOUT / 2 else noise_caption(rng)
        clean = latents[torch.from_numpy(chosen)].to(device)
        noise = torch.randn(clean.shape).to(device)
        # One time for each equal part of the range: less variance than times drawn alone.
        time = (
            torch.from_numpy((rng.permutation(config.batch) + rng.random(config.batch)) / config.batch) * 1000
        ).long()
        time = time.clamp(max=999).to(device)
        noisy = noise_of.add_noise(clean, noise, time)
        wanted = noise_of.get_velocity(clean, noise, time)
        words = model["text_encoder"](ids(texts)).last_hidden_state
        found = model["unet"](noisy, time, encoder_hidden_states=words).sample
        loss: torch.Tensor = ((found - wanted) ** 2).mean()
        return loss

    loop.run(loss_of)
    loop.averaged()
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=model["text_encoder"].eval(),
        tokenizer=tokenizer,
        unet=model["unet"].eval(),
        scheduler=noise_of,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder, safe_serialization=True)
    for part, name in (
        ("unet", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
        ("vae", "diffusion_pytorch_model"),
    ):
        module = vae if part == "vae" else model[part]
        save_half(half_state(module.state_dict()), folder / part / f"{name}.safetensors")
    write_record(folder, "ovseg.world.train.denoiser", asdict(config))


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "diffusion")
    parser.add_argument("--mix", choices=["samples", "few-samples"], default="few-samples", help="pictures")
    parser.add_argument("--steps", type=int, default=2100)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--pictures", type=int, default=2000, help="pictures in the pool")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    pool = make_pool(asked.mix, asked.pictures, asked.seed, asked.work)
    config = LoopConfig(
        steps=asked.steps,
        batch=asked.batch,
        rate=asked.rate,
        seed=asked.seed,
        decay=0.01,
        ema=0.995,
        save_every=100,
    )
    train(pool, config, asked.out, asked.work, asked.device)


if __name__ == "__main__":
    main()
