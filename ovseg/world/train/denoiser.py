"""Train the diffusion pipeline's text encoder and U-Net on the autoencoder's latents, and write the pipeline.

``python -m ovseg.world.train.denoiser`` needs the ``vae`` folder that :mod:`ovseg.world.train.autoencoder`
wrote, and completes a folder in Stable Diffusion's layout, which ``DiffusionPipeline.from_pretrained`` loads.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ovseg.files import write_json
from ovseg.world.captions import noise_caption
from ovseg.world.names import STUFF, THINGS
from ovseg.world.scenes import COLOURS
from ovseg.world.tokens import CONTEXT, write_tokenizer
from ovseg.world.train.common import arguments, loop_config
from ovseg.world.train.export import save_half, write_record
from ovseg.world.train.loop import Loop, LoopConfig
from ovseg.world.train.pool import MIXES, Pool, make_pool

DROPOUT = 0.1
"""Share of pictures whose caption is withheld, for guidance (Ho & Salimans, 2022): half of them get none,
half get words that say nothing, as negative prompts do."""

NOISES = 400
"""How many captions that say nothing there are."""

MOST_SIGNAL = 5.0
"""Signal-to-noise ratio from which all latents count alike."""

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


def build_unet(*, embedding: bool = True) -> Any:
    """A small ``UNet2DConditionModel`` for 16 × 16 latents, with cross-attention at 8 × 8.

    Args:
        embedding: Whether the caption has a second way in, beside cross-attention: an embedding that is
            added to the time's, and so reaches every layer. It begins as nothing.
    """
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(40, 96),
        layers_per_block=1,
        cross_attention_dim=96,
        attention_head_dim=4,  # in this class the number of heads
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text" if embedding else None,
        addition_embed_type_num_heads=4,
    )
    if embedding:
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
    """(N, 4, 16, 16) latents of unit deviation of all pictures, each at the mean of its posterior."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(pool), 64):
            pixels = torch.from_numpy(np.array(pool.pixels[start : start + 64])).permute(0, 3, 1, 2)
            images = pixels.float().to(device) / 127.5 - 1
            found.append(vae.encode(images).latent_dist.mean.cpu() * vae.config.scaling_factor)
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
    return {fact for said in pool.facts for fact in said if fact in THINGS}


def balanced(groups: list[npt.NDArray[np.int64]], count: int, rng: np.random.Generator) -> list[int]:
    """Indices of ``count`` pictures, of each group as many, up to one."""
    rounds = -(-count // len(groups))
    order = np.concatenate([rng.permutation(len(groups)) for _ in range(rounds)])[:count]
    return [int(rng.choice(groups[number])) for number in order]


@dataclass(frozen=True)
class Course:
    """What is learned when.

    Attributes:
        first: Steps on the first pool; the others are on the second.
        attention_alone: Steps at first in which names get in by cross-attention alone, so that it has to
            learn where they are drawn.
    """

    first: int = 1600
    attention_alone: int = 0


def train(
    pools: tuple[Pool, Pool], config: LoopConfig, course: Course, folder: Path, work: Path, device: str
) -> None:
    """Train on two pools, one after the other, and write the pipeline but its autoencoder, which is there.

    Args:
        pools: What it learns from at first, and then.
        config: Steps, rate and so on.
        course: What is learned when.
        folder: The pipeline.
        work: Checkpoints.
        device: Where.
    """
    from diffusers import AutoencoderKL
    from transformers import CLIPTokenizer

    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).to(device).eval()
    vocabulary = write_tokenizer(folder / "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    latents = [encode_pool(vae, pool, device) for pool in pools]
    groups = [
        [np.flatnonzero([name in said for said in pool.facts]) for name in sorted(named_in(pool))]
        for pool in pools
    ]

    torch.manual_seed(config.seed)
    encoder, plain = build_text_encoder(vocabulary).to(device), build_unet(embedding=False).to(device)
    rng = np.random.default_rng(config.seed)
    nothing = ["", *(noise_caption(rng) for _ in range(NOISES))]
    said = [[text for texts in pool.captions for text in texts] for pool in pools]
    heard = list(dict.fromkeys([*nothing, *said[0]]))
    texts = list(dict.fromkeys([*heard, *said[1]]))
    ids = tokenizer(
        texts, padding="max_length", max_length=CONTEXT, truncation=True, return_tensors="pt"
    ).input_ids.to(device)
    words = {tokenizer(word).input_ids[1]: word for word in (*THINGS, *STUFF, *COLOURS)}
    print(f"words: cosine {learn_words(encoder, words, ids[: len(heard)], steps=WORD_STEPS):.3f}", flush=True)
    encoder.eval()
    with torch.inference_mode():
        found = [encoder(part).last_hidden_state for part in ids.split(256)]
    states = torch.cat(found).clone()
    number_of = {text: number for number, text in enumerate(texts)}
    noise_of = schedule()
    signal = noise_of.alphas_cumprod.to(device)
    weights = weight(signal / (1 - signal))

    def loss_with(unet: Any, step: int, rng: np.random.Generator) -> torch.Tensor:
        which = int(step >= course.first)
        pool, chosen = pools[which], balanced(groups[which], config.batch, rng)
        asked = [pool.captions[i][int(rng.integers(len(pool.captions[i])))] for i in chosen]
        for number, draw in enumerate(rng.random(config.batch)):
            if draw < DROPOUT:
                asked[number] = "" if draw < DROPOUT / 2 else nothing[int(rng.integers(len(nothing)))]
        clean = latents[which][chosen].to(device)
        noise = torch.randn(clean.shape).to(device)
        # One time for each equal part of the range: less variance than times drawn alone.
        parts = (rng.permutation(config.batch) + rng.random(config.batch)) / config.batch
        time = torch.from_numpy(parts * 1000).long().clamp(max=999).to(device)
        noisy = noise_of.add_noise(clean, noise, time)
        wanted = noise_of.get_velocity(clean, noise, time)
        guessed = unet(noisy, time, encoder_hidden_states=states[[number_of[text] for text in asked]]).sample
        loss: torch.Tensor = (((guessed - wanted) ** 2).mean((1, 2, 3)) * weights[time]).mean()
        return loss

    torch.manual_seed(config.seed)
    unet = build_unet().to(device)
    loop = Loop(unet, config, work / "denoiser.safetensors")
    if not loop.done and course.attention_alone:
        first = Loop(plain, config, work / "denoiser-first.safetensors")
        first.run(lambda step, rng: loss_with(plain, step, rng), until=course.attention_alone)
        loop.take_over(first)
    loop.run(lambda step, rng: loss_with(unet, step, rng))
    loop.averaged()
    write_pipeline(folder, vae=vae, text_encoder=encoder, tokenizer=tokenizer, unet=unet.eval())
    write_record(folder, "ovseg.world.train.denoiser", asdict(config) | asdict(course))


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
    facts = json.loads(config.read_text(encoding="utf-8"))
    facts.pop("_name_or_path", None)  # where it lay on the machine that trained it
    write_json(config, facts)
    for part, module, name in (
        ("unet", unet, "diffusion_pytorch_model"),
        ("text_encoder", text_encoder, "model"),
        ("vae", vae, "diffusion_pytorch_model"),
    ):
        save_half(module.state_dict(), folder / part / f"{name}.safetensors")


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "diffusion", steps=3700, batch=32, rate=1e-3)
    for number, mix, pictures in ((1, "plain-samples", 8000), (2, "plainest-samples", 4000)):
        parser.add_argument(f"--mix-{number}", choices=list(MIXES), default=mix, help="pictures")
        parser.add_argument(f"--pictures-{number}", type=int, default=pictures, help="pictures in the pool")
    parser.add_argument("--first", type=int, default=Course.first, help="steps on the first pool")
    parser.add_argument(
        "--attention-alone",
        type=int,
        default=Course.attention_alone,
        help="first steps without the caption's embedding",
    )
    parser.add_argument("--cooldown", type=int, default=500, help="of them with a falling rate")
    asked = parser.parse_args()
    first = make_pool(asked.mix_1, asked.pictures_1, asked.seed, asked.work)
    second = make_pool(asked.mix_2, asked.pictures_2, asked.seed + 1, asked.work)
    config = loop_config(
        asked,
        cooldown=asked.cooldown,
        decay=0.01,
        ema=0.998,
        save_every=100,
    )
    course = Course(asked.first, asked.attention_alone)
    train((first, second), config, course, asked.out, asked.work, asked.device)


if __name__ == "__main__":
    main()
