"""Spaces of prototypes that the encoders of a preset give, where the preset has none of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from ovseg.encoders.base import Backbone, Space
from ovseg.encoders.vit import Facet, Family

_FACETS: dict[Family, Facet] = {"dino": "key", "diffusion": "query"}


def spaces_of(backbone: Backbone, prototype_backbone: Backbone | None) -> tuple[Space, ...]:
    """Where prototypes live: the prototype backbone's space first, then the backbone's, then that of words.

    DINO tells kinds of things apart by its last keys (OVDiff), DINOv2 and DINOv3 by their last tokens; of
    diffusion models it is the queries of their cross-attention. What a model is, it says itself.
    """
    roles = {"prototype_backbone": prototype_backbone, "backbone": backbone}
    spaces = [
        _last(role, _FACETS.get(encoder.family, "token"))
        for role, encoder in roles.items()
        if encoder is not None
    ]
    return (*spaces, Space("words", "image_text"))


def other_spaces(backbone: Backbone, prototype_backbone: Backbone | None) -> Iterator[Space]:
    """Spaces that banks may have of the same encoders: the facet once went by the name of the weights."""
    for role, encoder in {"prototype_backbone": prototype_backbone, "backbone": backbone}.items():
        if encoder is not None and encoder.family != "diffusion":
            yield from (_last(role, facet) for facet in get_args(Facet))


def _last(role: str, facet: Facet) -> Space:
    return Space(f"{role}-{facet}", role, -1, facet)  # type: ignore[arg-type]
