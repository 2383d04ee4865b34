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

from ovseg.encoders.clip.tower import tower_of
from ovseg.encoders.clip.variants import dense_variant
from ovseg.encoders.clip.variants.base import Before
from ovseg.files import write_json
from ovseg.world.captions import facts
from ovseg.world.names import STUFF, THINGS
from ovseg.world.tokens import CONTEXT, write_tokenizer
from ovseg.world.train.common import arguments
from ovseg.world.train.contrast import cells_loss, contrastive_loss, positives
from ovseg.world.train.export import save_half, write_record
from ovseg.world.train.fresh import Painter
from ovseg.world.train.loop import Loop, LoopConfig
from ovseg.world.train.matched import matched_loss, tinted
from ovseg.world.train.pool import Pool, make_pool

EASY = 0.35
"""Share of the steps in which only pictures of one thing are seen, with captions of the thing alone."""

WORDS = 250
"""Steps in which the text tower alone learns to tell captions apart.

Both towers begin near a point where neither says anything of things, and stuff, being easy, keeps them there.
"""

MEAN, STD = (0.5, 0.5, 0.5), (0.27, 0.27, 0.27)


def model_config(vocabulary: int) -> dict[str, Any]:
    """The open_clip configuration: a small ViT for 64 pixels, and a small text transformer."""
    return {
        "embed_dim": 96,
        "vision_cfg": {
            "timm_model_name": "vit_early_conv_patch8_64",  # filed by ovseg.encoders.early_conv
            "timm_model_pretrained": False,
            "timm_pool": "token",
            "timm_proj": "none",
            "image_size": 64,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocabulary,
            "hf_tokenizer_name": "tokenizer",  # open_clip reads it from the folder itself
            "width": 96,
            "heads": 4,
            "layers": 1,
        },
    }


def learn_words(model: Any, captions: list[str], tokens: torch.Tensor, rate: float, device: str) -> None:
    """Bring each caption's embedding near the sum of random directions, one for each thing it says.

    Args:
        model: An open_clip model; its text tower is changed in place.
        captions: N texts.
        tokens: (N, L) theirs.
        rate: Learning rate.
        device: Where to compute.
    """
    said = [facts(text) for text in captions]
    known = {fact: i for i, fact in enumerate(sorted(set().union(*said)))}
    directions = torch.randn(
        len(known), model.text_projection.shape[1], generator=torch.Generator().manual_seed(0)
    )
    weight = torch.tensor([0.4 if " " in fact else 0.7 if fact in STUFF else 1.0 for fact in known])
    table = torch.tensor([[float(fact in text) for fact in known] for text in said]) * weight
    wanted = F.normalize(table @ directions, dim=-1).to(device)
    towers = [p for name, p in model.named_parameters() if not name.startswith(("visual.", "logit_scale"))]
    optimizer = torch.optim.AdamW(towers, lr=rate)
    rng = np.random.default_rng(0)
    for _ in range(WORDS):
        chosen = torch.from_numpy(rng.integers(0, len(captions), 96))
        found = model.encode_text(tokens[chosen].to(device), normalize=True)
        loss = 1 - (found * wanted[chosen]).sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    print(f"words: cosine {1 - loss.item():.3f}", flush=True)


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
    return tinted(images, rng)


def train(
    pool: Pool,
    painter: Painter,
    config: LoopConfig,
    dense: LoopConfig,
    matched: LoopConfig,
    folder: Path,
    work: Path,
    device: str,
) -> None:
    """Train and write the folder: first whole pictures of a pool, then their cells as well, then both on
    pictures that are painted as they are needed, on matched backgrounds.
    """
    import open_clip

    import ovseg.encoders.early_conv  # noqa: F401 (files the architecture)

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = write_tokenizer(folder)
    cfg = model_config(vocabulary)
    torch.manual_seed(config.seed)
    model = open_clip.CLIP(
        cfg["embed_dim"],
        open_clip.CLIPVisionCfg(**cfg["vision_cfg"]),
        open_clip.CLIPTextCfg(**cfg["text_cfg"]),
    ).to(device)
    tokenizer = open_clip.tokenizer.HFTokenizer(str(folder), context_length=CONTEXT)
    tokens = [tokenizer(texts) for texts in pool.captions]
    said = [[facts(text) for text in texts] for texts in pool.captions]
    every = np.arange(len(pool))
    # Captions of one thing and nothing else, where a picture has them.
    plain = [[j for j, said_j in enumerate(texts) if not said_j & set(STUFF)] for texts in said]
    single = np.array([i for i in every if len(pool.facts[i] & set(THINGS)) == 1 and plain[i]])
    if not (work / "image_text.safetensors").is_file():
        flat = [text for texts in pool.captions for text in texts]
        learn_words(model, flat, torch.cat(tokens), config.rate, device)
    loop = Loop(model, config, work / "image_text.safetensors")

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        easy = step < EASY * config.steps
        chosen = rng.choice(single if easy else every, config.batch, replace=False)
        which = np.array([rng.choice(plain[i] if easy else len(tokens[i])) for i in chosen])
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
    # Pictures come normalised already.
    tower, variant = tower_of(model.visual, (0.0,) * 3, (1.0,) * 3), dense_variant("value")
    tower.dense.to(device)
    names = [*THINGS, *STUFF]
    there = torch.tensor([[float(name in known) for name in names] for known in pool.facts])
    patterns = ("a photo of a {}.", "{}", "a picture of {}", "a photo of the {}.")

    def cells_too(step: int, rng: np.random.Generator) -> torch.Tensor:
        chosen = rng.choice(every, dense.batch, replace=False)
        which = rng.integers(0, len(tokens[0]), dense.batch)
        images = augmented(np.stack([pool.pixels[i] for i in chosen]), rng).to(device)
        text = torch.stack([tokens[i][j] for i, j in zip(chosen, which, strict=True)]).to(device)
        match = positives(
            [said[i][j] for i, j in zip(chosen, which, strict=True)], [pool.facts[i] for i in chosen]
        )
        entering, grid = tower.entering(images)
        trunk = model.visual.trunk
        whole = F.normalize(trunk.norm(trunk.blocks[-1](entering))[:, 0], dim=-1)
        scale = model.logit_scale.clamp(max=4.0).exp()
        loss = contrastive_loss(whole, model.encode_text(text, normalize=True), scale, match.to(device))
        cells = variant.compute(Before(tower, entering, grid, {})).flatten(1, 2)
        prompts = tokenizer([str(rng.choice(patterns)).format(name) for name in names]).to(device)
        words = model.encode_text(prompts, normalize=True)
        in_words = F.normalize(cells, dim=-1)
        return loss + cells_loss(in_words, words, scale, there[torch.from_numpy(chosen)].to(device))

    Loop(model, dense, work / "image_text_cells.safetensors").run(cells_too)
    last = Loop(model, matched, work / "image_text_matched.safetensors")
    last.run(matched_loss(model, tokenizer, painter, matched.batch, device))
    last.averaged()
    save_half(model.state_dict(), folder / "open_clip_model.safetensors")
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash", "size": 64}
    write_json(folder / "open_clip_config.json", {"model_cfg": cfg, "preprocess_cfg": preprocess})
    stages = {"pool": asdict(config), "cells": asdict(dense), "matched": asdict(matched)}
    write_record(folder, "ovseg.world.train.image_text", stages)


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "names")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--cells", type=int, default=350, help="further steps that look at cells")
    parser.add_argument("--matched", type=int, default=1000, help="last steps, on matched backgrounds")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--pictures", type=int, default=6000, help="pictures in the pool")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    pool = make_pool("views", asked.pictures, asked.seed, asked.work)
    config = LoopConfig(
        steps=asked.steps, batch=asked.batch, rate=asked.rate, seed=asked.seed, decay=0.1, warmup=100
    )
    dense = LoopConfig(
        steps=asked.cells, batch=asked.batch, rate=asked.rate / 2, seed=asked.seed, decay=0.1, warmup=20
    )
    matched = LoopConfig(
        steps=asked.matched,
        batch=asked.batch,
        rate=asked.rate,
        seed=asked.seed,
        warmup=50,
        ema=0.98,
        save_every=100,
    )
    train(pool, Painter(asked.seed), config, dense, matched, asked.out, asked.work, asked.device)


if __name__ == "__main__":
    main()
