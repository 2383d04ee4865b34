"""Encoders by role, each by the spec of its model: what presets are made of, and what flags override."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import torch

from ovseg.encoders.base import ImageTextEncoder, ShapeEncoder, Space
from ovseg.encoders.sources import card_for
from ovseg.weights.cache import default_cache_dir
from ovseg.weights.cards import WeightCard


@dataclass(frozen=True)
class Roles:
    """Which model plays which role; None: the preset's own.

    Attributes:
        clip: Role *names*: a spec of open_clip.
        shape: Role *shape*: a spec of a visual encoder.
        look: Role *look*: a spec of a visual encoder or a diffusion pipeline.
        dense_variant: How CLIP is read cell by cell (``ovseg.encoders.clip.variants``).
    """

    clip: str | None = None
    shape: str | None = None
    look: str | None = None
    dense_variant: str | None = None

    def over(self, other: Roles) -> Roles:
        """These where they are given, those of ``other`` elsewhere."""
        return Roles(*(getattr(self, f.name) or getattr(other, f.name) for f in fields(self)))

    @property
    def given(self) -> dict[str, str]:
        """What is given, by the flag that gives it."""
        pairs = ((f"--{f.name.replace('_', '-')}", getattr(self, f.name)) for f in fields(self))
        return {flag: value for flag, value in pairs if value}

    def cards(self) -> tuple[WeightCard, ...]:
        """Weights of the models that are given, each once.

        Raises:
            UsageError: A spec is malformed.
            UnknownName: There is no such model or variant.
            WeightsUnavailable: A local file or folder is not there.
        """
        if self.dense_variant:
            from ovseg.encoders.clip.variants import dense_variant

            dense_variant(self.dense_variant)
        return tuple(dict.fromkeys(card_for(spec) for spec in (self.clip, self.shape, self.look) if spec))


def load_names(
    spec: str, variant: str | None, *, device: torch.device, dtype: torch.dtype, cache_dir: Path | None
) -> ImageTextEncoder:
    """CLIP in the role *names*; raises as ``load_clip`` does."""
    from ovseg.encoders.clip import load_clip

    chosen = {"variant": variant} if variant else {}
    return load_clip(
        card_for(spec).spec,
        device=device,
        dtype=dtype,
        cache_dir=cache_dir or default_cache_dir(),
        **chosen,
    )


def load_look(spec: str, *, device: torch.device, dtype: torch.dtype) -> ShapeEncoder:
    """An encoder in the role *look*: a diffusion pipeline where the spec leads to one."""
    from ovseg.encoders.visual.diffusion import is_pipeline, load_diffusion
    from ovseg.encoders.visual.load import load_visual

    load = load_diffusion if is_pipeline(spec) else load_visual
    return load(spec, device=device, dtype=dtype)


def spaces_of(shape: ShapeEncoder, look: ShapeEncoder | None) -> tuple[Space, ...]:
    """Where prototypes live: the look encoder's space first, then the shape encoder's, then that of words.

    DINO tells kinds of things apart by its last keys (OVDiff), DINOv2 and DINOv3 by their last tokens; of
    diffusion models it is the queries of their cross-attention.
    """
    kinds = [("look", look)] if look else []
    spaces = []
    for role, encoder in (*kinds, ("shape", shape)):
        what = str(encoder.describe().get("what", "")).lower() if encoder else ""
        first_dino = "dino" in what and "dinov2" not in what and "dinov3" not in what
        facet = "query" if "diffusion" in what else "key" if first_dino else "token"
        spaces.append(Space(f"{role}-{facet}", role, -1, facet))  # type: ignore[arg-type]
    return (*spaces, Space("words", "names"))
