"""Train the autoencoder of the diffusion pipeline: 128 pixels to 32 × 32 latents and back.

``python -m learned_world.train.autoencoder`` writes the ``vae`` folder of the pipeline, its record among it.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from learned_world.generate import SIDE
from learned_world.train.common import arguments, loop_config
from learned_world.train.export import save_half, write_record
from learned_world.train.loop import Loop, LoopConfig
from learned_world.train.pool import Pool, make_pool

KL = 1e-3
"""Weight of the divergence from a standard normal, per latent value: the noise that it leaves in the latents
makes the decoder bear with those that a U-Net guesses."""


def build() -> Any:
    """A small ``AutoencoderKL`` of four latent channels, four times coarser than the picture."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(24, 48, 64),
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=SIDE,
        mid_block_add_attention=False,
        force_upcast=False,
    )


def difference(decoded: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of pixels and of neighbouring pixels: edges count as much as areas."""
    loss = (decoded - images).abs().mean()
    for axis in (2, 3):
        loss = loss + (decoded.diff(dim=axis) - images.diff(dim=axis)).abs().mean()
    return loss


def train(pool: Pool, config: LoopConfig, folder: Path, work: Path, device: str) -> None:
    """Train on a pool's pictures and write the folder, with the scale that gives latents unit deviation.

    On whole pictures: group norms see their statistics, and shift the colours of pictures of other sizes.
    """
    torch.manual_seed(config.seed)
    vae = build().to(device)
    loop = Loop(vae, config, work / "autoencoder.safetensors")

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        images = as_images(pool.pixels[np.sort(rng.integers(0, len(pool), config.batch))]).to(device)
        posterior = vae.encode(images).latent_dist
        loss = difference(vae.decode(posterior.sample()).sample, images)
        total: torch.Tensor = loss + KL * posterior.kl().mean() / posterior.mean[0].numel()
        return total

    loop.run(loss_of)
    loop.averaged()
    with torch.inference_mode():
        images = as_images(pool.pixels[:256]).to(device)
        scale = 1 / float(vae.encode(images).latent_dist.mean.std())
    vae.register_to_config(scaling_factor=scale)
    folder.mkdir(parents=True, exist_ok=True)
    vae.save_config(folder)
    save_half(vae.state_dict(), folder / "diffusion_pytorch_model.safetensors")
    write_record(folder, "learned_world.train.autoencoder", asdict(config))


def as_images(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    """(B, S, S, 3) uint8 to (B, 3, S, S) float in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "diffusion/vae", steps=1800, batch=64, rate=2e-3)
    parser.add_argument("--pictures", type=int, default=60_000, help="pictures in the pool")
    targets = parser.parse_args()
    pool = make_pool(targets.pictures, targets.seed, targets.work, workers=targets.workers)
    config = loop_config(
        targets,
        decay=0.0,
        warmup=100,
        ema=0.995,
        save_every=500,
    )
    train(pool, config, targets.out, targets.work, targets.device)


if __name__ == "__main__":
    main()
