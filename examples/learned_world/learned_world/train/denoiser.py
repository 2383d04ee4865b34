"""Train the diffusion pipeline's text encoder and U-Net on the autoencoder's latents, and write the pipeline.

``python -m learned_world.train.denoiser`` needs the ``vae`` folder of :mod:`learned_world.train.autoencoder`,
and completes a folder in Stable Diffusion's layout, which ``DiffusionPipeline.from_pretrained`` loads.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from learned_world.captions import noise_caption
from learned_world.generate import SIDE
from learned_world.names import STUFF, THINGS
from learned_world.scenes import COLOURS
from learned_world.tokens import CONTEXT, write_tokenizer
from learned_world.train.autoencoder import as_images
from learned_world.train.common import arguments, loop_config
from learned_world.train.export import read_record, save_half, write_record
from learned_world.train.loop import Loop, LoopConfig
from learned_world.train.pool import Pool, make_pool
from ovseg.files import write_json

DROPOUT = 0.1
"""Share of pictures whose caption is withheld, for guidance (Ho & Salimans, 2022): half of them get none,
half get words that say nothing, as negative prompts do."""

NOISES = 400
"""How many captions that say nothing there are."""

MOST_SIGNAL = 5.0
"""Signal-to-noise ratio from which all latents count alike."""

WIDTHS = (48, 96, 144)
"""Channels of the U-Net at 32 × 32, 16 × 16 and 8 × 8."""

WORD_STEPS = 200
"""Optimizer steps of the text encoder, which is not changed afterwards."""


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
    """A small ``UNet2DConditionModel`` for 32 × 32 latents, with cross-attention at 16 × 16 and 8 × 8.

    The caption has a second way in beside cross-attention: an embedding that is added to the time's, and so
    reaches every layer. It begins as nothing.
    """
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=SIDE // 4,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=WIDTHS,
        layers_per_block=1,
        cross_attention_dim=96,
        attention_head_dim=4,  # in this class the number of heads
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )
    nn.init.zeros_(unet.add_embedding.norm2.weight)
    nn.init.zeros_(unet.add_embedding.norm2.bias)
    return unet


def learn_words(encoder: Any, words: dict[int, str], texts: torch.Tensor, steps: int) -> float:
    """Bring the last hidden state of each token near a random direction: its own for each word of
    ``words``, and one for all others.

    So the name's own token says what is to be drawn, and nothing else does.

    Args:
        encoder: A ``CLIPTextModel``; changed in place.
        words: Tokens that mean something, with what they mean.
        texts: (N, L) tokens of captions.
        steps: Optimizer steps.

    Returns:
        Mean cosine of the last step.
    """
    place = texts.device
    meanings = {meaning: number + 1 for number, meaning in enumerate(dict.fromkeys(words.values()))}
    lookup = torch.zeros(encoder.config.vocab_size, dtype=torch.long)
    for token, meaning in words.items():
        lookup[token] = meanings[meaning]
    lookup = lookup.to(place)
    directions = torch.randn(
        len(meanings) + 1, encoder.config.hidden_size, generator=torch.Generator().manual_seed(0)
    ).to(place)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=2e-3)
    rng = np.random.default_rng(0)
    cosine = 0.0
    for _ in range(steps):
        chosen = texts[torch.from_numpy(rng.integers(0, len(texts), 64)).to(place)]
        meant = lookup[chosen]
        found = nn.functional.cosine_similarity(encoder(chosen).last_hidden_state, directions[meant], dim=-1)
        said = meant > 0
        # A name is one token of many, and counts for as much as all that say nothing.
        loss = 2 - found[said].mean() - found[~said].mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        cosine = 1 - loss.item() / 2
    return cosine


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
    """(N, 4, S / 4, S / 4) latents of unit deviation of all pictures, each at the mean of its posterior."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(pool), 64):
            images = as_images(pool.pixels[start : start + 64]).to(device)
            found.append(vae.encode(images).latent_dist.mean * vae.config.scaling_factor)
    return torch.cat(found).clone()


def weight(ratio: torch.Tensor) -> torch.Tensor:
    """Weight of the velocity's squared error at a signal-to-noise ratio.

    The error counts as that of the clean latents times ratio + 1 (Salimans & Ho, section 4), up to
    ``MOST_SIGNAL``: what is left of the noise in almost clean latents is texture, and would take most of
    the gradient (Hang et al., ICCV 2023).
    """
    return ((MOST_SIGNAL + 1) / (ratio + 1)).clamp(max=1)


def named_in(pool: Pool) -> set[str]:
    """Things that a pool shows."""
    return {fact for said in pool.metadata for fact in said if fact in THINGS}


def balanced(
    groups: list[npt.NDArray[np.int64]], count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """(count,) indices of pictures, of each group as many, up to one."""
    rounds = -(-count // len(groups))
    order = np.concatenate([rng.permutation(len(groups)) for _ in range(rounds)])[:count]
    sizes = np.array([len(group) for group in groups])
    starts = np.cumsum(sizes) - sizes
    chosen: npt.NDArray[np.int64] = np.concatenate(groups)[
        starts[order] + (rng.random(count) * sizes[order]).astype(np.int64)
    ]
    return chosen


def train(pool: Pool, config: LoopConfig, folder: Path, work: Path, device: str) -> None:
    """Train on a pool and write the pipeline but its autoencoder, which is there.

    Args:
        pool: What it learns from.
        config: Steps, rate and so on.
        folder: The pipeline.
        work: Checkpoints.
        device: Where; a GPU computes in bfloat16.
    """
    from diffusers import AutoencoderKL
    from transformers import CLIPTokenizer

    before = read_record(folder / "vae")
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).to(device).eval()
    vocabulary = write_tokenizer(folder / "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    latents = encode_pool(vae, pool, device)
    groups = [np.flatnonzero([name in said for said in pool.metadata]) for name in sorted(named_in(pool))]

    torch.manual_seed(config.seed)
    encoder = build_text_encoder(vocabulary).to(device)
    rng = np.random.default_rng(config.seed)
    nothing = ["", *(noise_caption(rng) for _ in range(NOISES))]
    texts = list(dict.fromkeys([*nothing, *(text for said in pool.captions for text in said)]))
    ids = tokenizer(
        texts, padding="max_length", max_length=CONTEXT, truncation=True, return_tensors="pt"
    ).input_ids.to(device)
    words = {tokenizer(word).input_ids[1]: word for word in (*THINGS, *STUFF, *COLOURS)}
    print(f"words: cosine {learn_words(encoder, words, ids, steps=WORD_STEPS):.3f}", flush=True)
    encoder.eval()
    with torch.inference_mode():
        found = [encoder(part).last_hidden_state for part in ids.split(256)]
    states = torch.cat(found).clone()
    number_of = {text: number for number, text in enumerate(texts)}
    spoken = np.array([[number_of[text] for text in said] for said in pool.captions])
    silent = np.array([number_of[text] for text in nothing])
    noise_of = schedule()
    signal = noise_of.alphas_cumprod.to(device)
    weights = weight(signal / (1 - signal))
    unet = build_unet().to(device)

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        chosen = balanced(groups, config.batch, rng)
        targets = spoken[chosen, rng.integers(spoken.shape[1], size=config.batch)]
        draws = rng.random(config.batch)
        targets = np.where(draws < DROPOUT, silent[rng.integers(len(silent), size=config.batch)], targets)
        targets = np.where(draws < DROPOUT / 2, silent[0], targets)
        clean = latents[torch.from_numpy(chosen).to(device)]
        noise = torch.randn(clean.shape, device=device)
        # One time for each equal part of the range: less variance than times drawn alone.
        parts = (rng.permutation(config.batch) + rng.random(config.batch)) / config.batch
        time = torch.from_numpy(parts * 1000).long().clamp(max=999).to(device)
        noisy = noise_of.add_noise(clean, noise, time)
        wanted = noise_of.get_velocity(clean, noise, time)
        said = states[torch.from_numpy(targets).to(device)]
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=clean.is_cuda):
            guessed = unet(noisy, time, encoder_hidden_states=said).sample
        loss: torch.Tensor = (((guessed.float() - wanted) ** 2).mean((1, 2, 3)) * weights[time]).mean()
        return loss

    loop = Loop(unet, config, work / "denoiser.safetensors")
    loop.run(loss_of)
    loop.averaged()
    write_pipeline(folder, vae=vae, text_encoder=encoder, tokenizer=tokenizer, unet=unet.eval())
    write_record(folder, "learned_world.train.denoiser", asdict(config), autoencoder=before)


def write_pipeline(folder: Path, *, vae: Any, text_encoder: Any, tokenizer: Any, unet: Any) -> None:
    """Write a folder in Stable Diffusion's layout, weights in float16."""
    from diffusers import StableDiffusionPipeline

    StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=schedule(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder, safe_serialization=True)
    config = folder / "vae" / "config.json"
    metadata = json.loads(config.read_text(encoding="utf-8"))
    metadata.pop("_name_or_path", None)  # where it lay on the machine that trained it
    write_json(config, metadata)
    for part, module, name in (
        ("unet", unet, "diffusion_pytorch_model"),
        ("text_encoder", text_encoder, "model"),
        ("vae", vae, "diffusion_pytorch_model"),
    ):
        save_half(module.state_dict(), folder / part / f"{name}.safetensors")


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "diffusion", steps=4200, batch=256, rate=1e-3)
    parser.add_argument("--pictures", type=int, default=60_000, help="pictures in the pool")
    targets = parser.parse_args()
    pool = make_pool(targets.pictures, targets.seed, targets.work, workers=targets.workers)
    config = loop_config(targets, warmup=300, decay=0.01, ema=0.999, save_every=1000)
    train(pool, config, targets.out, targets.work, targets.device)


if __name__ == "__main__":
    main()
