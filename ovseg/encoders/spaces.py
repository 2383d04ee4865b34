"""Feature spaces of prototypes for presets that declare none of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from ovseg.encoders.base import Backbone, FeatureSpace
from ovseg.encoders.vit import Facet, Family

_FACETS: dict[Family, Facet] = {"dino": "key", "diffusion": "query"}


def spaces_of(backbone: Backbone, prototype_backbone: Backbone | None) -> tuple[FeatureSpace, ...]:
    """Return the space of the prototype backbone, of the backbone, and of the image-text encoder.

    The facet depends on the family: the last keys of DINO (OVDiff), the last tokens of DINOv2 and DINOv3, and
    the queries of cross-attention of diffusion models.
    """
    roles = {"prototype_backbone": prototype_backbone, "backbone": backbone}
    spaces = [
        _last(role, _FACETS.get(encoder.family, "token"))
        for role, encoder in roles.items()
        if encoder is not None
    ]
    return (*spaces, FeatureSpace("words", "image_text"))


def other_spaces(backbone: Backbone, prototype_backbone: Backbone | None) -> Iterator[FeatureSpace]:
    """Yield all last-layer spaces of the encoders: banks may hold another facet than ``spaces_of`` takes."""
    for role, encoder in {"prototype_backbone": prototype_backbone, "backbone": backbone}.items():
        if encoder is not None and encoder.family != "diffusion":
            yield from (_last(role, facet) for facet in get_args(Facet))


def _last(role: str, facet: Facet) -> FeatureSpace:
    return FeatureSpace(f"{role}-{facet}", role, -1, facet)  # type: ignore[arg-type]
