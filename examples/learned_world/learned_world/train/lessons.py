"""Lessons of the image-text model: what is on the pictures of a step, and its loss.

A contrastive loss takes a background for evidence against all things that are never seen on it. So pictures
whose captions compete have one background in common, which says nothing of which caption is whose; where
backgrounds differ, as they must for kinds of stuff to be learned, a caption competes for the pictures alone
on whose background its things are ever seen; and of a picture's patches only names are asked that captions do
say together with its background. Pairs of thing and background that training never shows stay unseen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from learned_world.captions import caption, names_in, names_of
from learned_world.names import STUFF, THINGS
from learned_world.scenes import COLOURS
from learned_world.train.augment import tinted
from learned_world.train.contrast import cells_loss, contrastive_loss, positives
from learned_world.train.fresh import Contents, Kind, Painter, allowed_things
from ovseg.encoders.clip.tower import tower_of
from ovseg.encoders.clip.variants import dense_variant
from ovseg.encoders.clip.variants.base import VariantInput

PLAIN = 0.3
"""Share of steps with one thing a picture whose background has no name; 0.7 of the easy ones."""

LARGE = Kind(scale=(0.7, 1.0), reach=0.0)
"""Easy pictures: one thing that fills the frame."""

SINGLE, CROWDED = 0.35, 0.35
"""Shares of steps with one thing a picture, and with some on one kind of stuff; the rest has two kinds."""

VIEWS = (
    Kind(objects=(0, 3), scale=(0.4, 0.9), reach=0.8, overlap=0.1),
    Kind(objects=(1, 4), scale=(0.28, 0.55), reach=0.3),
)
"""Cuttings as windows of larger scenes see them, and whole small scenes."""

PATTERNS = ("a photo of a {}.", "{}", "a picture of {}", "a photo of the {}.")


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


def single(count: int, rng: np.random.Generator, *, easy: bool = False) -> tuple[list[tuple[str, ...]], Kind]:
    """Backgrounds of a step in which every picture shows one thing: the same for all, or none with a name."""
    plain = rng.random() < (0.7 if easy else PLAIN)
    return [() if plain else (str(rng.choice(STUFF)),)] * count, LARGE if easy else Kind()


def grounds(count: int, rng: np.random.Generator) -> tuple[list[tuple[str, ...]], Kind]:
    """Backgrounds of a step's pictures, and what stands on them: one thing, some, or some on two grounds."""
    draw = rng.random()
    if draw < SINGLE:
        return single(count, rng)
    view = VIEWS[int(rng.integers(len(VIEWS)))]
    if draw < SINGLE + CROWDED:
        return [(str(rng.choice(STUFF)),) if rng.random() < 0.8 else ()] * count, view
    pairs = [tuple(str(n) for n in rng.choice(STUFF, 2, replace=False)) for _ in range(count)]
    pairs = [p[::-1] if p[1] == "sky" else p[: 2 - (rng.random() < 0.3)] for p in pairs]
    return list(pairs), view


def told(content: Contents, rng: np.random.Generator) -> str:
    """A caption, also of a picture without anything that has a name."""
    return caption(content, rng) if content.things or content.stuff else "background"


def captions(count: int, rng: np.random.Generator) -> list[str]:
    """Captions of pictures that are not painted."""
    texts = []
    for number in range(count):
        ground = grounds(1, rng)[0][0]
        options = allowed_things(ground)
        wanted = rng.permutation(len(options))[: 1 if number % 2 else int(rng.integers(1, 4))]
        colours = [list(COLOURS)[int(i)] for i in rng.integers(0, len(COLOURS), len(wanted))]
        texts.append(told(Contents(tuple(options[int(i)] for i in wanted), tuple(colours), ground), rng))
    return texts


def competing(said: Sequence[frozenset[str]], stuff: Sequence[tuple[str, ...]]) -> torch.Tensor:
    """(B, B) bool: for which pictures (rows) each caption (column) competes.

    Args:
        said: What each caption says.
        stuff: Each picture's backgrounds.
    """
    allowed = {ground: set(allowed_things(ground)) for ground in set(stuff)}
    things = [{fact for fact in text if fact in THINGS} for text in said]
    return torch.tensor([[text <= allowed[ground] for text in things] for ground in stuff])


@dataclass(frozen=True)
class Course:
    """What is learned when.

    Attributes:
        words: Steps at first in which the text tower alone learns to tell captions apart: both towers begin
            near a point where neither says anything of things, and stuff, being easy, keeps them there.
        easy: Further steps that see one large thing a picture: without them nothing is learned for long.
        single: Last of the steps that see one thing a picture, and that as a whole; the others see all kinds
            of pictures, and their patches.
    """

    words: int = 250
    easy: int = 600
    single: int = 2000


@dataclass(frozen=True)
class Lesson:
    """What a step is made of: B pictures, and K names.

    Attributes:
        images: (B, 3, 64, 64) normalised.
        tokens: (B + K, L) of captions, then of names in prompts.
        match: (B, B) which captions are true of which pictures.
        rivals: (B, B) bool, for which pictures each caption competes.
        known: (B, K) whether a name may be said of a picture.
        targets: (B, K) bool, whether it is asked of the picture's patches.
        patches: Whether patches are asked at all.
    """

    images: torch.Tensor
    tokens: torch.Tensor
    match: torch.Tensor
    rivals: torch.Tensor
    known: torch.Tensor
    targets: torch.Tensor
    patches: bool


class Teacher:
    """Prepares the lesson of a step.

    Args:
        painter: Of the pictures.
        tokenizer: Of the texts.
        course: What is learned when.
        batch: Pictures a step.
    """

    def __init__(self, painter: Painter, tokenizer: Any, course: Course, batch: int) -> None:
        self.painter, self.tokenizer, self.course, self.batch = painter, tokenizer, course, batch
        self.names = [*THINGS, *STUFF]
        self.allowed = allowed_table(self.names)

    def __call__(self, step: int, rng: np.random.Generator) -> Lesson:
        """The lesson."""
        patches = step >= self.course.single
        if patches:
            stuff, kind = grounds(self.batch, rng)
        else:
            stuff, kind = single(self.batch, rng, easy=step < self.course.easy)
        images, contents = self.painter.paint(stuff, kind, rng)
        texts = [told(content, rng) for content in contents]
        there = [names_of(content) for content in contents]
        said = [names_in(text) for text in texts]
        prompts = [PATTERNS[int(rng.integers(len(PATTERNS)))].format(name) for name in self.names]
        return Lesson(
            images=tinted(images, rng),
            tokens=self.tokenizer([*texts, *prompts]),
            match=positives(said, there),
            rivals=competing(said, stuff),
            known=torch.tensor([[float(name in known) for name in self.names] for known in there]),
            targets=torch.stack([self.allowed[ground] for ground in stuff]),
            patches=patches,
        )


def loss_of_lesson(model: Any, device: str) -> Callable[[Lesson], torch.Tensor]:
    """The loss of a lesson: whole pictures against captions, and patches against names."""
    # Pictures come normalised already.
    tower, variant = tower_of(model.visual, (0.0,) * 3, (1.0,) * 3), dense_variant("value")
    tower.dense.to(device)
    trunk = model.visual.trunk

    def loss_of(lesson: Lesson) -> torch.Tensor:
        embedded = model.encode_text(lesson.tokens.to(device), normalize=True)
        captioned, words = embedded.split((len(lesson.images), lesson.known.shape[1]))
        scale = model.logit_scale.clamp(max=4.0).exp()
        inputs, grid = tower.block_input(lesson.images.to(device))
        whole = F.normalize(trunk.norm(trunk.blocks[-1](inputs))[:, 0], dim=-1)
        match, rivals = lesson.match.to(device), lesson.rivals.to(device)
        loss = contrastive_loss(whole, captioned, scale, match, rivals)
        if not lesson.patches:
            return loss
        patches = F.normalize(variant.compute(VariantInput(tower, inputs, grid, {})).flatten(1, 2), dim=-1)
        known, targets = lesson.known.to(device), lesson.targets.to(device)
        return loss + cells_loss(patches, words, scale, known, targets)

    return loss_of
