"""Train the self-supervised features: a small vision transformer, by self-distillation, without captions.

The student sees half of a view's patches and predicts what the teacher makes of another view of the same
picture: for the whole picture as in DINO (Caron et al., ICCV 2021), and for each seen patch of the same
view in other colours as in iBOT (Zhou et al., ICLR 2022). Dropping patches instead of masking them is
that of MSN (Assran et al., ECCV 2022), and makes a step half as long.

``python -m ovseg.world.train.features`` writes a folder with a timm state dict and its configuration.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ovseg.files import write_json
from ovseg.world.train.common import arguments
from ovseg.world.train.export import save_half, write_record
from ovseg.world.train.image_text import MEAN, STD
from ovseg.world.train.loop import Loop, LoopConfig
from ovseg.world.train.pool import Pool, make_pool

ARCHITECTURE = "vit_early_conv_patch8_64"
"""timm's name, filed by :mod:`ovseg.encoders.early_conv`."""

SIDE, WIDTH = 64, 96
"""Side of its pictures, width of its tokens."""

PROTOTYPES = 512
"""Outputs of the heads."""

SEEN = 0.5
"""Share of patches that the student sees."""

STUDENT, TEACHER = 0.1, 0.05
"""Temperatures."""


def build() -> Any:
    """The transformer."""
    import timm

    import ovseg.encoders.early_conv  # noqa: F401 (files the architecture)

    return timm.create_model(ARCHITECTURE, num_classes=0)


class Head(nn.Module):
    """DINO's projection head: an MLP to a small sphere, then prototypes of unit length."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, 256), nn.GELU(), nn.Linear(256, 64))
        self.last = nn.Parameter(torch.randn(PROTOTYPES, 64) * 0.1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(…, D) to (…, :data:`PROTOTYPES`) cosines."""
        return F.normalize(self.mlp(tokens), dim=-1) @ F.normalize(self.last, dim=-1).T


class Learner(nn.Module):
    """A transformer with its two heads: for whole pictures, and for patches."""

    def __init__(self) -> None:
        super().__init__()
        self.vit = build()
        self.whole = Head(WIDTH)
        self.patch = Head(WIDTH)

    def forward(
        self, images: torch.Tensor, keep: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 3, S, S), and (B, K) indices of the patches that are seen, to (B, P) and (B, K, P)."""
        vit = self.vit
        tokens = vit.patch_embed(images).flatten(1, -2) + vit.pos_embed[:, 1:]
        if keep is not None:
            tokens = tokens.gather(1, keep[..., None].expand(-1, -1, tokens.shape[-1]))
        first = (vit.cls_token + vit.pos_embed[:, :1]).expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], 1)
        for block in vit.blocks:
            tokens = block(tokens)
        tokens = vit.norm(tokens)
        return self.whole(tokens[:, 0]), self.patch(tokens[:, 1:])


def balanced(scores: torch.Tensor) -> torch.Tensor:
    """(N, P) teacher cosines to (N, P) probabilities that use all prototypes (Sinkhorn and Knopp)."""
    q = (scores / TEACHER).exp().T
    for _ in range(3):
        q = q / q.sum(1, keepdim=True) / len(q)
        q = q / q.sum(0, keepdim=True) / q.shape[1]
    return (q * q.shape[1]).T


def view(pixels: np.ndarray[Any, np.dtype[np.uint8]], rng: np.random.Generator) -> torch.Tensor:
    """(B, 3, 64, 64) random cuttings of a third to all of each picture, mirrored or not."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    count = len(images)
    share = torch.from_numpy(np.sqrt(rng.uniform(0.35, 1.0, count))).float()
    shift = torch.from_numpy(rng.uniform(-1, 1, (count, 2))).float() * (1 - share)[:, None]
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = share * torch.from_numpy(np.where(rng.random(count) < 0.5, -1.0, 1.0)).float()
    matrix[:, 1, 1] = share
    matrix[:, :, 2] = shift
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False, padding_mode="reflection")


def recoloured(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Normalised pictures with channels shuffled, scaled and shifted, some grey, some blurred."""
    count = len(images)
    order = torch.from_numpy(
        np.stack([rng.permutation(3) if rng.random() < 0.5 else np.arange(3) for _ in range(count)])
    )
    images = images.gather(1, order[:, :, None, None].expand_as(images))
    gain = torch.from_numpy(rng.uniform(0.6, 1.4, (count, 3, 1, 1))).float()
    shift = torch.from_numpy(rng.uniform(-0.2, 0.2, (count, 3, 1, 1))).float()
    images = images * gain + shift
    grey = torch.from_numpy(rng.random(count) < 0.2)
    images[grey] = images[grey].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    soft = torch.from_numpy(rng.random(count) < 0.3)
    images[soft] = F.avg_pool2d(F.pad(images[soft], (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (images.clamp(0, 1) - 0.5) / 0.27


def train(pool: Pool, config: LoopConfig, folder: Path, work: Path, device: str) -> None:
    """Train on a pool's pictures, without their captions, and write the teacher."""
    torch.manual_seed(config.seed)
    student, teacher = Learner(), Learner()
    teacher.load_state_dict(student.state_dict())
    teacher.requires_grad_(False)
    both = nn.ModuleDict({"student": student, "teacher": teacher}).to(device)
    loop = Loop(both, config, work / "features.safetensors")
    cells = (SIDE // 8) ** 2
    seen = int(SEEN * cells)

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        chosen = np.sort(rng.choice(len(pool), config.batch, replace=False))
        pixels = np.array(pool.pixels[chosen])
        places = [view(pixels, rng) for _ in range(2)]
        keep = torch.from_numpy(np.stack([rng.permutation(cells)[:seen] for _ in range(2 * config.batch)]))
        keep = keep.to(device)
        with torch.no_grad():
            wholes, patches = teacher(torch.cat([recoloured(p, rng) for p in places]).to(device))
            patches = patches.gather(1, keep[..., None].expand(-1, -1, PROTOTYPES))
            first, second = balanced(wholes).chunk(2)
            wanted = balanced(patches.flatten(0, 1))
        whole, patch = student(torch.cat([recoloured(p, rng) for p in places]).to(device), keep)
        across = F.cross_entropy(whole / STUDENT, torch.cat([second, first]))
        within = F.cross_entropy(patch.flatten(0, 1) / STUDENT, wanted)
        return across + within

    def after(step: int) -> None:
        rate = 1 - 0.02 * (1 - step / config.steps)
        with torch.no_grad():
            for old, new in zip(teacher.parameters(), student.parameters(), strict=True):
                old.lerp_(new, 1 - rate)

    loop.run(loss_of, after)
    folder.mkdir(parents=True, exist_ok=True)
    save_half(teacher.vit.state_dict(), folder / "model.safetensors")
    write_json(
        folder / "config.json",
        {
            "architecture": ARCHITECTURE,
            "num_classes": 0,
            "pretrained_cfg": {"mean": MEAN, "std": STD, "input_size": [3, SIDE, SIDE]},
        },
    )
    write_record(folder, "ovseg.world.train.features", asdict(config))


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "features")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--pictures", type=int, default=6000, help="pictures in the pool")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    pool = make_pool("views", asked.pictures, asked.seed, asked.work)
    config = LoopConfig(
        steps=asked.steps, batch=asked.batch, rate=asked.rate, seed=asked.seed, warmup=60, save_every=100
    )
    train(pool, config, asked.out, asked.work, asked.device)


if __name__ == "__main__":
    main()
