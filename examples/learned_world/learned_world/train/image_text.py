"""Train the image-text model: an open_clip architecture, contrastively, on captions.

``python -m learned_world.train.image_text`` writes a folder that open_clip loads as ``local-dir:FOLDER``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from learned_world.captions import names_in
from learned_world.names import STUFF
from learned_world.tokens import CONTEXT, write_tokenizer
from learned_world.train.ahead import ahead
from learned_world.train.augment import MEAN, STD
from learned_world.train.common import arguments, loop_config
from learned_world.train.export import save_half, write_record
from learned_world.train.fresh import Painter
from learned_world.train.lessons import Course, Teacher, captions, loss_of_lesson
from learned_world.train.loop import Loop, LoopConfig
from ovseg.files import write_json

CAPTIONS = 4000
"""From which the text tower learns to tell captions apart."""


def model_config(vocabulary: int) -> dict[str, Any]:
    """The open_clip configuration: a small ViT for 64 pixels, and a small text transformer."""
    return {
        "embed_dim": 96,
        "vision_cfg": {
            "timm_model_name": "vit_early_conv_patch8_64",  # filed by learned_world.early_conv
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


def learn_words(
    model: Any, texts: list[str], tokens: torch.Tensor, rate: float, steps: int, device: str
) -> float:
    """Bring each caption's embedding near the sum of random directions, one for each thing it says.

    Args:
        model: An open_clip model; its text tower is changed in place.
        texts: N captions.
        tokens: (N, L) theirs.
        rate: Learning rate.
        steps: Optimizer steps.
        device: Where to compute.

    Returns:
        Mean cosine of the last step.
    """
    said = [names_in(text) for text in texts]
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
    cosine = 0.0
    for _ in range(steps):
        chosen = torch.from_numpy(rng.integers(0, len(texts), 96))
        found = model.encode_text(tokens[chosen].to(device), normalize=True)
        loss = 1 - (found * wanted[chosen]).sum(1).mean()
        cosine = 1 - loss.item()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return cosine


def train(
    painter: Painter,
    config: LoopConfig,
    course: Course,
    folder: Path,
    work: Path,
    device: str,
    workers: int = 0,
) -> None:
    """Train and write the folder.

    Args:
        painter: Of the pictures.
        config: Steps, rate and so on.
        course: What is learned when.
        folder: The model's.
        work: Checkpoints.
        device: Where.
        workers: Processes that paint ahead.
    """
    import open_clip

    import learned_world.early_conv  # noqa: F401 (files the architecture)

    folder.mkdir(parents=True, exist_ok=True)
    cfg = model_config(write_tokenizer(folder))
    torch.manual_seed(config.seed)
    model = open_clip.CLIP(
        cfg["embed_dim"],
        open_clip.CLIPVisionCfg(**cfg["vision_cfg"]),
        open_clip.CLIPTextCfg(**cfg["text_cfg"]),
    ).to(device)
    tokenizer = open_clip.tokenizer.HFTokenizer(str(folder), context_length=CONTEXT)
    checkpoint = work / "image_text.safetensors"
    if not checkpoint.is_file():
        texts = captions(CAPTIONS, np.random.default_rng([config.seed, 5]))
        cosine = learn_words(model, texts, tokenizer(texts), config.rate, course.words, device)
        print(f"words: cosine {cosine:.3f}", flush=True)
    loop = Loop(model, config, checkpoint)
    loss_of = loss_of_lesson(model, device)
    teacher = Teacher(painter, tokenizer, course, config.batch)
    lessons = ahead(teacher, config.seed, range(loop.done, config.steps), workers)
    loop.run(lambda step, rng: loss_of(next(lessons)))
    loop.averaged()
    save_half(model.state_dict(), folder / "open_clip_model.safetensors")
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash", "size": 64}
    write_json(folder / "open_clip_config.json", {"model_cfg": cfg, "preprocess_cfg": preprocess})
    write_record(folder, "learned_world.train.image_text", asdict(config) | asdict(course))


def main() -> None:
    """Command line."""
    parser = arguments(__doc__ or "", "names", steps=4800, batch=256, rate=8e-4)
    parser.add_argument("--easy", type=int, default=Course.easy, help="first steps, on single large things")
    parser.add_argument("--single", type=int, default=Course.single, help="first steps, on single things")
    parser.add_argument("--cooldown", type=int, default=1400, help="last steps, with a falling rate")
    targets = parser.parse_args()
    config = loop_config(
        targets,
        warmup=100,
        cooldown=targets.cooldown,
        ema=0.99,
        save_every=100,
    )
    train(
        Painter(targets.seed),
        config,
        Course(easy=targets.easy, single=targets.single),
        targets.out,
        targets.work,
        targets.device,
        targets.workers,
    )


if __name__ == "__main__":
    main()
