"""Lessons with matched backgrounds, the last ones of the image-text model.

A contrastive loss takes a background for evidence against all things that are never seen on it. Where all
pictures of a step have one background, it says nothing of which caption is whose; and of a picture's cells
only names are asked that captions do say together with its background. Pairs of thing and background that
training never shows stay unseen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ovseg.encoders.clip.tower import tower_of
from ovseg.encoders.clip.variants import dense_variant
from ovseg.encoders.clip.variants.base import Before
from ovseg.world.captions import all_facts, caption, facts
from ovseg.world.names import STUFF, THINGS
from ovseg.world.train.contrast import cells_loss, contrastive_loss, positives
from ovseg.world.train.fresh import Kind, Painter, allowed_things

SINGLE, CROWDED = 0.35, 0.35
"""Shares of steps with one thing a picture, and with some on one kind of stuff; the rest has two kinds."""

VIEWS = (
    Kind(objects=(0, 3), scale=(0.4, 0.9), reach=0.8, overlap=0.1),
    Kind(objects=(1, 4), scale=(0.28, 0.55), reach=0.3),
)
"""Cuttings as windows of larger scenes see them, and whole small scenes."""

PATTERNS = ("a photo of a {}.", "{}", "a picture of {}", "a photo of the {}.")


def tinted(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """(B, 3, S, S) in [0, 1] to normalised pictures, each tinted a little; some a little blurred."""
    count = len(images)
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (count, 3, 1, 1))).float()
    shift = torch.from_numpy(rng.uniform(-0.08, 0.08, (count, 3, 1, 1))).float()
    images = (images * gain + shift).clamp(0, 1)
    soft = torch.from_numpy(rng.random(count) < 0.3)
    images[soft] = F.avg_pool2d(F.pad(images[soft], (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (images - 0.5) / 0.27


def allowed_table(names: Sequence[str]) -> dict[tuple[str, ...], torch.Tensor]:
    """For no, one and two grounds: (K,) bool, which of the names are ever said of a picture with them.

    Only those compete for a picture. A name that is never said with a background would else be unlearned from
    the background alone, and a thing on it that is new would not be named.
    """
    kinds = [(), *((a,) for a in STUFF), *itertools.permutations(STUFF, 2)]
    return {
        kind: torch.tensor([name in STUFF or name in allowed_things(kind) for name in names])
        for kind in kinds
    }


def grounds(count: int, rng: np.random.Generator) -> tuple[list[tuple[str, ...]], Kind]:
    """Backgrounds of a step's pictures, and what stands on them.

    Pictures whose captions compete have one background in common, so that it speaks for none of them; kinds
    of stuff are learned in steps with two of them in a picture.
    """
    draw = rng.random()
    if draw < SINGLE:
        plain = rng.random() < 0.25
        return [() if plain else (str(rng.choice(STUFF)),)] * count, Kind()
    if draw < SINGLE + CROWDED:
        same = (str(rng.choice(STUFF)),) if rng.random() < 0.8 else ()
        return [same] * count, VIEWS[int(rng.integers(len(VIEWS)))]
    pairs = [tuple(str(n) for n in rng.choice(STUFF, 2, replace=False)) for _ in range(count)]
    pairs = [p[::-1] if p[1] == "sky" else p[: 2 - (rng.random() < 0.3)] for p in pairs]
    return list(pairs), VIEWS[int(rng.integers(len(VIEWS)))]


def matched_loss(
    model: Any, tokenizer: Any, painter: Painter, batch: int, device: str
) -> Callable[[int, np.random.Generator], torch.Tensor]:
    """The loss of a step: whole pictures against captions, and cells against names."""
    # Pictures come normalised already.
    tower, variant = tower_of(model.visual, (0.0,) * 3, (1.0,) * 3), dense_variant("value")
    tower.dense.to(device)
    trunk, names = model.visual.trunk, [*THINGS, *STUFF]
    allowed = allowed_table(names)

    def loss_of(step: int, rng: np.random.Generator) -> torch.Tensor:
        stuff, kind = grounds(batch, rng)
        images, contents = painter.paint(stuff, kind, rng)
        texts = [caption(told, rng) if told.things or told.stuff else "background" for told in contents]
        there = [all_facts(told) for told in contents]
        entering, grid = tower.entering(tinted(images, rng).to(device))
        whole = F.normalize(trunk.norm(trunk.blocks[-1](entering[-1]))[:, 0], dim=-1)
        cells = F.normalize(variant.compute(Before(tower, entering, grid, {})).flatten(1, 2), dim=-1)
        prompts = [PATTERNS[int(rng.integers(len(PATTERNS)))].format(name) for name in names]
        embedded = model.encode_text(tokenizer([*texts, *prompts]).to(device), normalize=True)
        captions, words = embedded.split((len(texts), len(prompts)))
        scale = model.logit_scale.clamp(max=4.0).exp()
        match = positives([facts(text) for text in texts], there).to(device)
        known = torch.tensor([[float(name in said) for name in names] for said in there]).to(device)
        rivals = torch.stack([allowed[ground] for ground in stuff]).to(device)
        loss = contrastive_loss(whole, captions, scale, match)
        return loss + cells_loss(cells, words, scale, known, rivals)

    return loss_of
