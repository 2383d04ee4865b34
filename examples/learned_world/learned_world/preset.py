"""The preset ``world``: one image-text model in both roles."""

from __future__ import annotations

from pathlib import Path

import torch

from learned_world.cards import WORLD_NAMES
from learned_world.encoders import load_world, load_world_shape
from learned_world.names import STUFF, THINGS
from ovseg.encoders.base import Space
from ovseg.encoders.lone import LoneShape, Part
from ovseg.encoders.presets import Encoders, PresetCard


def _shape(device: torch.device, dtype: torch.dtype, _cache_dir: Path | None) -> LoneShape:
    return LoneShape("world", load_world_shape(device=device, dtype=dtype), device, WORLD.cards)


def _load(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Encoders:
    names, shape = load_world(device=device, dtype=dtype, cache_dir=cache_dir)
    spaces = (Space("world-shape", "backbone"), Space("world-names", "image_text"))
    return Encoders("world", names, shape, device, WORLD.cards, spaces=spaces, words=(*THINGS, *STUFF))


WORLD = PresetCard(
    name="world",
    summary="a small model of the learned world, for its drawn pictures only",
    cards=(WORLD_NAMES,),
    load=_load,
    auto=False,
    backbone=Part((WORLD_NAMES,), _shape),
)
