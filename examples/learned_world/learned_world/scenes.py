"""Scenes: things on stuff, with their masks, drawn from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from learned_world.drawings import Drawing, drawings_of
from learned_world.names import HELD_OUT_PAIRS, STUFF, THINGS
from learned_world.textures import Array, texture

LABELS = ("background", *THINGS, *STUFF)
"""Names of the indices of a label map; 0 stands nowhere in a scene."""

VISIBLE = 0.4
"""Share of an object's body that must be in view for it to be named."""


@dataclass(frozen=True)
class SceneConfig:
    """What is drawn.

    Attributes:
        side: Side of the picture in pixels.
        things: Names to draw from.
        stuff: Likewise for backgrounds.
        objects: Fewest and most objects in a scene.
        scale: Smallest and largest longer side of an object, as a share of the picture's side.
        turn: Largest rotation either way, in degrees.
        reach: How far an object's centre may lie outside the frame that keeps it wholly inside: 0 keeps all
            inside, 1 lets centres lie anywhere in the picture, less than 0 keeps off the edge.
        two_stuffs: Probability of two backgrounds, one above the other.
        held_out_styles: Draw in the held-out styles instead of those for training.
        pairs: ``training`` leaves out the held-out pairs of thing and background, ``held-out`` draws only
            those, ``all`` draws both.
        overlap: Largest overlap (share of the smaller box) of two objects' boxes.
    """

    side: int = 64
    things: tuple[str, ...] = THINGS
    stuff: tuple[str, ...] = STUFF
    objects: tuple[int, int] = (1, 1)
    scale: tuple[float, float] = (0.5, 0.95)
    turn: float = 20.0
    reach: float = 0.15
    two_stuffs: float = 0.0
    held_out_styles: bool = False
    pairs: str = "training"
    overlap: float = 0.25


@dataclass(frozen=True)
class Scene:
    """A picture that knows what is in it.

    Attributes:
        pixels: (side, side, 3) uint8 RGB.
        labels: (side, side) uint8, indices of :data:`LABELS`.
        instances: (side, side) uint8: 0 stuff, then one number an object in the order of ``things``.
        things: Names of the objects of which enough is in view.
        colours: Name of each one's main colour.
        stuff: Names of the backgrounds, from the top.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    instances: npt.NDArray[np.uint8]
    things: tuple[str, ...]
    colours: tuple[str, ...]
    stuff: tuple[str, ...]


COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.12),
    "orange": (0.95, 0.5, 0.08),
    "yellow": (0.97, 0.84, 0.12),
    "green": (0.12, 0.6, 0.2),
    "blue": (0.12, 0.25, 0.8),
    "purple": (0.5, 0.2, 0.68),
    "pink": (0.95, 0.5, 0.72),
    "brown": (0.42, 0.24, 0.12),
    "black": (0.08, 0.08, 0.1),
    "white": (0.97, 0.97, 0.97),
    "gray": (0.55, 0.55, 0.57),
}


def draw_scene(config: SceneConfig, rng: np.random.Generator) -> Scene:
    """Draw one scene; the same configuration and state of ``rng`` give the same bytes."""
    side = config.side
    stuff, pixels, labels = _background(config, rng)
    instances = np.zeros((side, side), np.uint8)
    placed: list[tuple[str, str, float]] = []
    boxes: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(config.objects[0], config.objects[1] + 1))):
        thing = _choose_thing(config, stuff, rng)
        if thing is None:
            continue
        place = _choose_place(config, boxes, rng)
        if place is None:
            continue
        boxes.append(place)
        options = drawings_of(thing, held_out=config.held_out_styles)
        drawing = options[int(rng.integers(len(options)))]
        body, ink = _cover(drawing, place, config, rng)
        colour = _paint(pixels, body, ink, rng)
        mask = body >= 0.5
        labels[mask] = LABELS.index(thing)
        number = len(placed) + 1
        instances[mask] = number
        placed.append((thing, colour, drawing.fill * place[2] ** 2))
    seen = [
        (thing, colour, number + 1)
        for number, (thing, colour, area) in enumerate(placed)
        if (instances == number + 1).sum() >= VISIBLE * area
    ]
    numbers = {number: index + 1 for index, (_, _, number) in enumerate(seen)}
    lookup = np.zeros(len(placed) + 1, np.uint8)
    for number, index in numbers.items():
        lookup[number] = index
    return Scene(
        pixels=(pixels * 255 + 0.5).astype(np.uint8),
        labels=labels,
        instances=lookup[instances],
        things=tuple(thing for thing, _, _ in seen),
        colours=tuple(colour for _, colour, _ in seen),
        stuff=stuff,
    )


def _background(
    config: SceneConfig, rng: np.random.Generator
) -> tuple[tuple[str, ...], Array, npt.NDArray[np.uint8]]:
    side = config.side
    two = rng.random() < config.two_stuffs and len(config.stuff) > 1
    names = tuple(str(n) for n in rng.choice(config.stuff, 2 if two else 1, replace=False))
    if "sky" in names[1:]:
        names = names[::-1]
    pixels = texture(names[0], side, rng)
    labels = np.full((side, side), LABELS.index(names[0]), np.uint8)
    if two:
        columns = np.linspace(-0.5, 0.5, side, dtype=np.float32)
        edge = side * (rng.uniform(0.35, 0.65) + rng.uniform(-0.2, 0.2) * columns)
        below = np.arange(side)[:, None] >= edge[None]
        pixels = np.where(below[..., None], texture(names[1], side, rng), pixels)
        labels[below] = LABELS.index(names[1])
    return names, pixels, labels


def _choose_thing(config: SceneConfig, stuff: tuple[str, ...], rng: np.random.Generator) -> str | None:
    """A thing that may stand on all of the backgrounds."""
    allowed = [
        thing
        for thing in config.things
        if config.pairs == "all"
        or (config.pairs == "held-out") == any((thing, ground) in HELD_OUT_PAIRS for ground in stuff)
    ]
    return allowed[int(rng.integers(len(allowed)))] if allowed else None


def _choose_place(
    config: SceneConfig, boxes: list[tuple[float, float, float]], rng: np.random.Generator
) -> tuple[float, float, float] | None:
    """(y, x, size) in pixels of an object that does not hide another; None after thirty tries."""
    for _ in range(30):
        size = config.side * rng.uniform(*config.scale)
        margin = size / 2 * (1 - config.reach)
        low, high = min(margin, config.side / 2), max(config.side - margin, config.side / 2)
        y, x = rng.uniform(low, high, 2)
        if all(_overlap((y, x, size), box) <= config.overlap for box in boxes):
            return float(y), float(x), float(size)
    return None


def _overlap(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Intersection of two square boxes over the smaller one's area."""
    sides = [
        max(0.0, min(a + one[2] / 2, b + other[2] / 2) - max(a - one[2] / 2, b - other[2] / 2))
        for a, b in zip(one[:2], other[:2], strict=True)
    ]
    return sides[0] * sides[1] / min(one[2], other[2]) ** 2


def _cover(
    drawing: Drawing, place: tuple[float, float, float], config: SceneConfig, rng: np.random.Generator
) -> tuple[Array, Array]:
    """(side, side) coverage in [0, 1] of body and ink: turned, mirrored, a little stretched."""
    y, x, size = place
    angle = math.radians(rng.uniform(-config.turn, config.turn))
    stretch = rng.uniform(0.85, 1.0)
    wide, high = (1.0, stretch) if rng.random() < 0.5 else (stretch, 1.0)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    body, ink = drawing.at(size)
    scale = body.width / size
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    a, b = flip * cos / wide, flip * sin / wide
    d, e = -sin / high, cos / high
    centre = body.width / 2
    matrix = (a, b, centre - a * x - b * y, d, e, centre - d * x - e * y)
    frame = (config.side, config.side)
    covers = [
        image.transform(frame, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        for image in (body, ink)
    ]
    body_cover, ink_cover = (np.asarray(cover, np.float32) / np.float32(255) for cover in covers)
    return body_cover, ink_cover


def _paint(pixels: Array, body: Array, ink: Array, rng: np.random.Generator) -> str:
    """Paint an object into ``pixels`` and return its colour's name: drawn in lines, filled, or flat.

    The main colour is the one of four draws that stands out best from what it covers.
    """
    names = tuple(COLOURS)
    under = (pixels * body[..., None]).sum((0, 1)) / max(float(body.sum()), 1e-6)
    draws = [names[int(i)] for i in rng.integers(0, len(names), 4)]
    gaps = [float(np.abs(np.asarray(COLOURS[name]) - under).sum()) for name in draws]
    enough = [name for name, gap in zip(draws, gaps, strict=True) if gap > 0.75]
    name = enough[0] if enough else draws[int(np.argmax(gaps))]
    main = np.clip(np.asarray(COLOURS[name]) * rng.uniform(0.85, 1.1) + rng.uniform(-0.06, 0.06, 3), 0, 1)
    dark = main.mean() < 0.3
    other = (
        np.clip(main * rng.uniform(1.0, 1.6) + rng.uniform(0.4, 0.6), 0, 1)
        if dark
        else main * rng.uniform(0.1, 0.4)
    )
    lines = ink.sum() < 0.55 * body.sum()
    inside, drawn = (main, other) if lines else (other, main)
    if not lines and rng.random() < 0.3:
        inside = np.clip(main + rng.uniform(0.35, 0.6), 0, 1)  # pale holes, as often as dark ones
    shade = np.linspace(rng.uniform(0.9, 1.1), rng.uniform(0.85, 1.05), len(pixels), dtype=np.float32)
    ink = np.minimum(ink, body)
    colour = inside + (drawn - inside) * (ink / np.maximum(body, 1e-6))[..., None]
    colour = np.clip(colour * shade[:, None, None], 0, 1)
    pixels += (colour - pixels) * body[..., None]
    return name
