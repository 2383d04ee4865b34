"""Train the autoencoder of the diffusion pipeline: 64 pixels to 16 × 16 latents and back.

``python -m ovseg.world.train.autoencoder`` writes the ``vae`` folder of the pipeline.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ovseg.world.train.common import arguments
from ovseg.world.train.export import save_half
from ovseg.world.train.loop import Loop, LoopConfig
from ovseg.world.train.pool import Pool, make_pool

CROP = 32
"""Side in pixels of the cuttings it learns from; it is convolutional, and works at any size."""

KL = 1e-4
"""Weight of the divergence from a standard normal, per latent value."""


def build() -> Any:
    """A small ``AutoencoderKL`` of four latent channels, four times coarser than the picture."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 48),
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=64,
        mid_block_add_attention=False,
        force_upcast=False,
    )


def difference(decoded: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of pixels and of neighbouring pixels: edges count as much as areas."""
    loss = (decoded - images).abs().mean()
    for axis in (2, 3):
        loss = loss + (decoded.diff(dim=axis) - images.diff(dim=axis)).abs().mean()
    return loss


def train(pool: Pool, config: LoopConfig, whole: LoopConfig, folder: Path, work: Path, device: str) -> None:
    """Train on a pool's pictures and write the folder, with the scale that gives latents unit deviation.

    First all of it on cuttings; then the decoder alone on whole pictures, whose statistics differ from those
    of cuttings, and group norms see them.
    """
    torch.manual_seed(config.seed)
    vae = build().to(device)
    loop = Loop(vae, config, work / "autoencoder.safetensors")

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        images = cuttings(pool, config.batch, rng).to(device)
        posterior = vae.encode(images).latent_dist
        loss = difference(vae.decode(posterior.sample()).sample, images)
        total: torch.Tensor = loss + KL * posterior.kl().mean() / (images[0].numel() / 12)
        return total

    loop.run(loss_of)
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)

    def decoder_loss(step: int, rng: np.random.Generator) -> torch.Tensor:
        images = cuttings(pool, whole.batch, rng, side=pool.pixels.shape[1]).to(device)
        with torch.no_grad():
            latents = vae.encode(images).latent_dist.mean
        return difference(vae.decode(latents).sample, images)

    Loop(vae, whole, work / "decoder.safetensors").run(decoder_loss)
    with torch.inference_mode():
        images = cuttings(pool, 256, np.random.default_rng(config.seed), side=64).to(device)
        scale = 1 / float(vae.encode(images).latent_dist.mean.std())
    vae.register_to_config(scaling_factor=scale)
    folder.mkdir(parents=True, exist_ok=True)
    vae.save_config(folder)
    save_half(vae.state_dict(), folder / "diffusion_pytorch_model.safetensors")


def cuttings(pool: Pool, count: int, rng: np.random.Generator, side: int = CROP) -> torch.Tensor:
    """(B, 3, side, side) float in [-1, 1]: random parts of random pictures."""
    room = pool.pixels.shape[1] - side
    parts = []
    for index in rng.integers(0, len(pool), count):
        y, x = rng.integers(0, room + 1, 2)
        parts.append(pool.pixels[index][y : y + side, x : x + side])
    return torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2).float() / 127.5 - 1


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "diffusion/vae")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--whole", type=int, default=300, help="steps of the decoder on whole pictures")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--pictures", type=int, default=4000, help="pictures in the pool")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    pool = make_pool("samples", asked.pictures, asked.seed, asked.work)
    config = LoopConfig(
        steps=asked.steps, batch=asked.batch, rate=asked.rate, seed=asked.seed, decay=0.0, warmup=50
    )
    whole = LoopConfig(steps=asked.whole, batch=4, rate=asked.rate / 3, seed=asked.seed, decay=0.0, warmup=20)
    train(pool, config, whole, asked.out, asked.work, asked.device)


if __name__ == "__main__":
    main()
