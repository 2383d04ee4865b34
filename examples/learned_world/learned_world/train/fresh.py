"""Training pictures that are painted as they are needed, many at once: no two steps see the same one.

What is on them is that of :mod:`learned_world.scenes`, in all styles for training; shapes vary more (sheared,
bent, with thinner and thicker lines, partly erased), and there are backgrounds without a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from learned_world.drawings import Drawing, drawings_of
from learned_world.names import HELD_OUT_PAIRS, STUFF, THINGS
from learned_world.scenes import COLOURS, VISIBLE
from learned_world.textures import texture

SIDE = 64
"""Side of a stored drawing, and of pictures where nothing else is said, in pixels."""

LARGER = 1.5
"""Side of a stored texture, in sides of a picture: pictures are cut from it."""

TEXTURES = 64
"""Stored textures of each kind of stuff."""

SMALL = 30
"""Objects below so many pixels are drawn from a coarser copy, or they would alias."""


@dataclass(frozen=True)
class Kind:
    """What the pictures of one step have in common.

    Attributes:
        objects: Fewest and most of a picture.
        scale: Smallest and largest longer side of an object, as a share of the picture's.
        reach: How far centres may lie out, as in :class:`~learned_world.scenes.SceneConfig`.
        overlap: Largest overlap of two boxes (share of the smaller).
    """

    objects: tuple[int, int] = (1, 1)
    scale: tuple[float, float] = (0.45, 1.0)
    reach: float = 0.25
    overlap: float = 0.15


@dataclass(frozen=True)
class Contents:
    """What is to be said of a picture, in the order of painting."""

    things: tuple[str, ...]
    colours: tuple[str, ...]
    stuff: tuple[str, ...]


def allowed_things(stuff: tuple[str, ...]) -> tuple[str, ...]:
    """Things that training shows on all of these backgrounds."""
    return tuple(t for t in THINGS if not any((t, ground) in HELD_OUT_PAIRS for ground in stuff))


class Painter:
    """Holds drawings and textures, and paints batches of pictures from them.

    Args:
        seed: Of the textures.
        drawings: To paint from; None: all for training.
        side: Of the pictures in pixels.
    """

    def __init__(self, seed: int = 0, drawings: Sequence[Drawing] | None = None, side: int = SIDE) -> None:
        self.side = side
        if drawings is None:
            drawings = [d for thing in THINGS for d in drawings_of(thing, held_out=False, more=True)]
        found = [(d.thing, d) for d in drawings]
        self.masks = torch.from_numpy(
            np.stack([np.stack([np.asarray(d.at(SIDE)[i]) for i in (0, 1)]) for _, d in found])
        )
        """(drawings, 2, 64, 64) uint8: body and ink."""
        self.of = {t: [i for i, (name, _) in enumerate(found) if name == t] for t, _ in found}
        self.fill = np.array([d.fill for _, d in found])
        rng = np.random.default_rng([seed, 11])
        self.textures = {
            name: torch.from_numpy(
                np.stack(
                    [(texture(name, int(LARGER * side), rng) * 255).astype(np.uint8) for _ in range(TEXTURES)]
                )
            )
            for name in STUFF
        }

    def paint(
        self, grounds: list[tuple[str, ...]], kind: Kind, rng: np.random.Generator
    ) -> tuple[torch.Tensor, list[Contents]]:
        """One picture a ground: none, one, or two kinds of stuff, one above the other.

        Returns:
            (B, 3, side, side) float in [0, 1], and what is on them.
        """
        count = len(grounds)
        images = torch.stack([self._ground(stuff, rng) for stuff in grounds])
        owner = torch.zeros(count, self.side, self.side, dtype=torch.long)
        placed: list[dict[int, tuple[str, float]]] = [{} for _ in grounds]
        colour_of: list[dict[int, str]] = [{} for _ in grounds]
        boxes: list[list[tuple[float, float, float]]] = [[] for _ in grounds]
        wanted = rng.integers(kind.objects[0], kind.objects[1] + 1, count)
        allowed = {
            stuff: [thing for thing in allowed_things(stuff) if thing in self.of] for stuff in set(grounds)
        }
        for turn in range(kind.objects[1]):
            here, what, where = [], [], []
            for i in np.flatnonzero(wanted > turn).tolist():
                options = allowed[grounds[i]]
                place = _place(kind, boxes[i], self.side, rng)
                if not options or place is None:
                    continue
                thing = options[int(rng.integers(len(options)))]
                boxes[i].append(place)
                here.append(i)
                what.append(self.of[thing][int(rng.integers(len(self.of[thing])))])
                where.append(place)
                placed[i][turn + 1] = (thing, float(self.fill[what[-1]]) * place[2] ** 2)
            if not here:
                continue
            body, ink = self._cover(what, np.array(where), rng)
            painted, colours = _painted(images[here], body, ink, rng)
            images[here] = painted
            owner[here] = torch.where(body[:, 0] >= 0.5, turn + 1, owner[here])
            for i, colour in zip(here, colours, strict=True):
                colour_of[i][turn + 1] = colour
        told = []
        for i, stuff in enumerate(grounds):
            areas = torch.bincount(owner[i].flatten(), minlength=kind.objects[1] + 1).tolist()
            seen = [number for number, (_, area) in placed[i].items() if areas[number] >= VISIBLE * area]
            things = tuple(placed[i][number][0] for number in seen)
            told.append(Contents(things, tuple(colour_of[i][number] for number in seen), stuff))
        return images, told

    def _ground(self, stuff: tuple[str, ...], rng: np.random.Generator) -> torch.Tensor:
        """(3, side, side)."""
        if not stuff:
            return _plain(self.side, rng)
        parts, side = [], self.side
        for name in stuff:
            stored = self.textures[name]
            y, x = rng.integers(0, stored.shape[1] - side + 1, 2)
            part = stored[int(rng.integers(len(stored))), y : y + side, x : x + side].permute(2, 0, 1).float()
            parts.append((part / 255).flip(-1) if rng.random() < 0.5 else part / 255)
        if len(parts) == 1:
            return parts[0]
        columns = torch.linspace(-0.5, 0.5, side)
        edge = side * (rng.uniform(0.3, 0.7) + rng.uniform(-0.25, 0.25) * columns)
        return torch.where(torch.arange(side)[:, None] >= edge[None], parts[1], parts[0])

    def _cover(
        self, what: list[int], where: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, 1, side, side) coverage of body and ink: placed, turned, sheared, bent, thinner or thicker."""
        count, frame = len(what), (self.side, self.side)
        masks = self.masks[what].float() / 255
        small = torch.from_numpy(where[:, 2] < SMALL)
        if small.any():
            masks[small] = F.interpolate(
                F.avg_pool2d(masks[small], 2), scale_factor=2, mode="bilinear", align_corners=False
            )
        masks = _restroked(masks, rng)
        angle = rng.uniform(-0.45, 0.45, count)
        high, wide = rng.uniform(0.75, 1.0, (2, count))
        shear = rng.uniform(-0.25, 0.25, count)
        flip = np.where(rng.random(count) < 0.5, -1.0, 1.0)
        scale = self.side / where[:, 2]
        cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
        a, b = flip * (cos + shear * sin) / wide, flip * (sin - shear * cos) / wide
        d, e = -sin / high, cos / high
        y, x = (2 * where[:, i] / self.side - 1 for i in (0, 1))
        matrix = np.stack([a, b, -a * x - b * y, d, e, -d * x - e * y], 1).reshape(-1, 2, 3)
        grid = F.affine_grid(torch.from_numpy(matrix).float(), [count, 2, *frame], align_corners=False)
        bent = torch.from_numpy(rng.normal(0, 0.06, (count, 2, 4, 4)).astype(np.float32))
        bend = F.interpolate(bent, size=frame, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
        covers = F.grid_sample(masks, grid + bend, align_corners=False)
        erased = torch.from_numpy(rng.random(count) < 0.15)
        for i in torch.nonzero(erased)[:, 0].tolist():
            side = int(where[i, 2] * rng.uniform(0.2, 0.4)) + 1
            top, left = (int(v) for v in rng.integers(0, self.side, 2))
            covers[i, :, top : top + side, left : left + side] = 0
        return covers[:, :1], covers[:, 1:]


def _place(
    kind: Kind, boxes: list[tuple[float, float, float]], side: int, rng: np.random.Generator
) -> tuple[float, float, float] | None:
    """(y, x, size) in pixels that hides no other much, or None."""
    for _ in range(20):
        size = side * rng.uniform(*kind.scale)
        margin = size / 2 * (1 - kind.reach)
        low, high = min(margin, side / 2), max(side - margin, side / 2)
        y, x = rng.uniform(low, high, 2)
        for v, u, other in boxes:
            near = (size + other) / 2
            shared = max(0.0, min(near - abs(y - v), size, other)) * max(
                0.0, min(near - abs(x - u), size, other)
            )
            if shared > kind.overlap * min(size, other) ** 2:
                break
        else:
            return float(y), float(x), float(size)
    return None


def _restroked(masks: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Ink thicker in a quarter of the drawings, thinner in a quarter; bodies as they are."""
    draw = torch.from_numpy(rng.random(len(masks)))
    for chosen, sign in ((draw < 0.25, 1.0), (draw > 0.75, -1.0)):
        if chosen.any():
            masks[chosen, 1:] = sign * F.max_pool2d(sign * masks[chosen, 1:], 3, 1, 1)
    return masks


def _plain(side: int, rng: np.random.Generator) -> torch.Tensor:
    """A background without a name: a colour, a gradient, or soft noise of colours."""
    patches = (1, 2, int(rng.integers(3, 9)))[int(rng.integers(3))]
    coarse = torch.from_numpy(rng.random((1, 3, patches, patches)).astype(np.float32))
    if rng.random() < 0.4:
        coarse = coarse.mean(1, keepdim=True).expand(1, 3, patches, patches)
    smooth = F.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=patches > 1)[0]
    grain = torch.from_numpy(rng.normal(0, rng.uniform(0, 0.08), (1, side, side)).astype(np.float32))
    return (smooth + grain).clamp(0, 1)


def _painted(
    under: torch.Tensor, body: torch.Tensor, ink: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, list[str]]:
    """Objects painted over pictures as :mod:`learned_world.scenes` does, and their colours' names."""
    count, names = len(under), tuple(COLOURS)
    table = np.array(list(COLOURS.values()))
    mean = ((under * body).sum((2, 3)) / body.sum((2, 3)).clamp(min=1e-6)).numpy()
    draws = rng.integers(0, len(names), (count, 4))
    gaps = np.abs(table[draws] - mean[:, None]).sum(2)
    enough = gaps > 0.75
    pick = np.where(enough.any(1), enough.argmax(1), gaps.argmax(1))
    chosen = draws[np.arange(count), pick]
    main = np.clip(
        table[chosen] * rng.uniform(0.85, 1.1, (count, 1)) + rng.uniform(-0.06, 0.06, (count, 3)), 0, 1
    )
    lighter = np.clip(main * rng.uniform(1.0, 1.6, (count, 1)) + rng.uniform(0.4, 0.6, (count, 1)), 0, 1)
    other = np.where(main.mean(1, keepdims=True) < 0.3, lighter, main * rng.uniform(0.1, 0.4, (count, 1)))
    lines = (ink.sum((1, 2, 3)) < 0.55 * body.sum((1, 2, 3))).numpy()[:, None]
    inside, drawn = np.where(lines, main, other), np.where(lines, other, main)
    pale = ~lines & (rng.random((count, 1)) < 0.3)
    inside = np.where(pale, np.clip(main + rng.uniform(0.35, 0.6, (count, 1)), 0, 1), inside)
    ends = torch.from_numpy(rng.uniform((0.9, 0.85), (1.1, 1.05), (count, 2)).astype(np.float32))
    shade = F.interpolate(ends[:, None], size=under.shape[2], mode="linear", align_corners=True)[..., None]
    first, second = (torch.from_numpy(c.astype(np.float32))[:, :, None, None] for c in (inside, drawn))
    share = torch.minimum(ink, body) / body.clamp(min=1e-6)
    colour = ((first + (second - first) * share) * shade).clamp(0, 1)
    return under + (colour - under) * body, [names[i] for i in chosen]
