"""Train the image-text model: an open_clip architecture, contrastively, on captions.

``python -m ovseg.world.train.image_text`` writes a folder that open_clip loads as ``local-dir:FOLDER``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ovseg.files import write_json
from ovseg.world.captions import facts
from ovseg.world.names import THINGS
from ovseg.world.tokens import CONTEXT, write_tokenizer
from ovseg.world.train.common import arguments
from ovseg.world.train.export import save_half, write_record
from ovseg.world.train.loop import Loop, LoopConfig
from ovseg.world.train.neighbours import begin_as_neighbours
from ovseg.world.train.pool import Pool, make_pool

EASY = 0.35
"""Share of the steps in which only pictures of one thing are seen."""

MEAN, STD = (0.5, 0.5, 0.5), (0.27, 0.27, 0.27)


def model_config(vocabulary: int) -> dict[str, Any]:
    """The open_clip configuration: a ViT with 8-pixel patches for 64 pixels, and a small text transformer."""
    return {
        "embed_dim": 96,
        "vision_cfg": {"image_size": 64, "layers": 4, "width": 96, "head_width": 12, "patch_size": 8},
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocabulary,
            "hf_tokenizer_name": "tokenizer",  # open_clip reads it from the folder itself
            "width": 96,
            "heads": 4,
            "layers": 1,
        },
    }


def positives(said: list[frozenset[str]], there: list[frozenset[str]]) -> torch.Tensor:
    """(B, B) float: which picture (row) each caption (column) is true of, rows and columns of one batch."""
    return torch.tensor([[float(text <= picture) for text in said] for picture in there])


def contrastive_loss(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, match: torch.Tensor
) -> torch.Tensor:
    """Symmetric cross entropy in which every true caption of a picture counts alike, and the other way."""
    logits = scale * images @ texts.T
    by_image = -(match / match.sum(1, keepdim=True) * F.log_softmax(logits, 1)).sum(1)
    by_text = -(match / match.sum(0, keepdim=True) * F.log_softmax(logits, 0)).sum(0)
    return (by_image.mean() + by_text.mean()) / 2


def augmented(pixels: np.ndarray[Any, np.dtype[np.uint8]], rng: np.random.Generator) -> torch.Tensor:
    """(B, 3, S, S) normalised pictures, each moved, sized and tinted a little; some a little blurred."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    count = len(images)
    matrix = torch.zeros(count, 2, 3)
    size = torch.from_numpy(rng.uniform(0.85, 1.1, count)).float()
    matrix[:, 0, 0] = size * torch.from_numpy(np.where(rng.random(count) < 0.5, -1.0, 1.0)).float()
    matrix[:, 1, 1] = size
    matrix[:, :, 2] = torch.from_numpy(rng.uniform(-0.12, 0.12, (count, 2))).float()
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, align_corners=False, padding_mode="reflection")
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (count, 3, 1, 1))).float()
    shift = torch.from_numpy(rng.uniform(-0.08, 0.08, (count, 3, 1, 1))).float()
    images = (images * gain + shift).clamp(0, 1)
    soft = torch.from_numpy(rng.random(count) < 0.3)
    images[soft] = F.avg_pool2d(F.pad(images[soft], (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (images - 0.5) / 0.27


def train(pool: Pool, config: LoopConfig, folder: Path, work: Path, device: str) -> None:
    """Train on a pool and write the folder."""
    import open_clip

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = write_tokenizer(folder)
    cfg = model_config(vocabulary)
    torch.manual_seed(config.seed)
    model = open_clip.CLIP(
        cfg["embed_dim"],
        open_clip.CLIPVisionCfg(**cfg["vision_cfg"]),
        open_clip.CLIPTextCfg(**cfg["text_cfg"]),
    ).to(device)
    begin_as_neighbours(model.visual)
    tokenizer = open_clip.tokenizer.HFTokenizer(str(folder), context_length=CONTEXT)
    tokens = [tokenizer(texts) for texts in pool.captions]
    said = [[facts(text) for text in texts] for texts in pool.captions]
    every = np.arange(len(pool))
    single = np.array([i for i in every if len(pool.facts[i] & set(THINGS)) == 1])
    loop = Loop(model, config, work / "image_text.safetensors")

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        chosen = rng.choice(single if step < EASY * config.steps else every, config.batch, replace=False)
        which = rng.integers(0, len(tokens[0]), config.batch)
        pixels = np.stack([pool.pixels[i] for i in chosen])
        text = torch.stack([tokens[i][j] for i, j in zip(chosen, which, strict=True)])
        match = positives(
            [said[i][j] for i, j in zip(chosen, which, strict=True)], [pool.facts[i] for i in chosen]
        )
        image_features = model.encode_image(augmented(pixels, rng).to(device), normalize=True)
        text_features = model.encode_text(text.to(device), normalize=True)
        scale = model.logit_scale.clamp(max=4.0).exp()
        return contrastive_loss(image_features, text_features, scale, match.to(device))

    loop.run(loss_of)
    save_half(model.state_dict(), folder / "open_clip_model.safetensors")
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash", "size": 64}
    write_json(folder / "open_clip_config.json", {"model_cfg": cfg, "preprocess_cfg": preprocess})
    write_record(folder, "ovseg.world.train.image_text", asdict(config))


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "names")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--pictures", type=int, default=6000, help="pictures in the pool")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    pool = make_pool("views", asked.pictures, asked.seed, asked.work)
    config = LoopConfig(steps=asked.steps, batch=asked.batch, rate=asked.rate, seed=asked.seed, decay=0.1)
    train(pool, config, asked.out, asked.work, asked.device)


if __name__ == "__main__":
    main()
