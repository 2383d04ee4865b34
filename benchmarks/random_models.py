"""Pipelines with random weights, as large as real ones: for measuring speed where no weights are."""

from __future__ import annotations

import gzip
from importlib.resources import files
from typing import Any

import torch

from ovseg.quiet import quiet
from ovseg.support.diffusion.models import require_diffusers

__all__ = ["SIZES", "clip_tokenizer", "random_pipeline"]

SIZES: dict[str, dict[str, Any]] = {
    # Stable Diffusion 1.5: 512 px, 860 million weights in the U-Net.
    "sd15": {
        "latent": 64,
        "unet": (320, 640, 1280, 1280),
        "layers": 2,
        "heads": 8,
        "vae": (128, 256, 512, 512),
        "text": (768, 12, 12),
    },
    # The same at half the width and a quarter of the side, for a CPU.
    "small": {
        "latent": 16,
        "unet": (160, 320, 640, 640),
        "layers": 2,
        "heads": 8,
        "vae": (64, 128, 256, 256),
        "text": (384, 12, 6),
    },
}


def clip_tokenizer() -> Any:
    """CLIP's tokenizer, made of the vocabulary that open_clip ships."""
    from transformers import CLIPTokenizer

    data = gzip.decompress((files("open_clip") / "bpe_simple_vocab_16e6.txt.gz").read_bytes())
    # The first line is a header; CLIP uses 48894 merges of the file.
    merges = [tuple(line.split()) for line in data.decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]]
    letters = _byte_letters()
    pieces = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def random_pipeline(size: str, device: torch.device, dtype: torch.dtype, seed: int = 0) -> Any:
    """A Stable Diffusion pipeline of that size, with a DPM-Solver++ scheduler.

    Args:
        size: A key of ``SIZES``.
        device: Where.
        dtype: Of its weights.
        seed: Of its weights.

    Raises:
        DependencyMissing: diffusers is not installed.
    """
    diffusers = require_diffusers()
    from transformers import CLIPTextConfig, CLIPTextModel

    plan, words = SIZES[size], clip_tokenizer()
    levels = len(plan["unet"])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        unet = diffusers.UNet2DConditionModel(
            sample_size=plan["latent"],
            block_out_channels=plan["unet"],
            layers_per_block=plan["layers"],
            attention_head_dim=plan["heads"],
            cross_attention_dim=plan["text"][0],
            down_block_types=("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1),
        )
        vae = diffusers.AutoencoderKL(
            block_out_channels=plan["vae"],
            down_block_types=("DownEncoderBlock2D",) * len(plan["vae"]),
            up_block_types=("UpDecoderBlock2D",) * len(plan["vae"]),
            layers_per_block=2,
            norm_num_groups=min(32, plan["vae"][0]),
            sample_size=8 * plan["latent"],
        )
        width, depth, heads = plan["text"]
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(words),
                hidden_size=width,
                intermediate_size=4 * width,
                num_hidden_layers=depth,
                num_attention_heads=heads,
                bos_token_id=words.bos_token_id,
                eos_token_id=words.eos_token_id,
            )
        )
    scheduler = diffusers.DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    pipe = diffusers.StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text.eval(),
        tokenizer=words,
        unet=unet.eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    with quiet():  # diffusers has a remark on every cast
        return pipe.to(device, dtype)


def _byte_letters() -> list[str]:
    """A letter for each byte, in CLIP's order: printable ones themselves, the others from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return [*map(chr, printable), *(chr(256 + index) for index in range(len(rest)))]
