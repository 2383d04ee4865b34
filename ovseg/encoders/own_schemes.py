"""The encoders that ovseg brings, by the prefix of their specs: open_clip, timm, the hub, folders."""

from __future__ import annotations

from typing import Any

from ovseg.encoders.base import ImageTextEncoder
from ovseg.encoders.schemes import EncoderScheme, ModelRequest
from ovseg.encoders.sources import file_card, hub_card, open_clip_card, timm_card
from ovseg.encoders.visual.load import read_backbone

__all__ = ["FOLDER", "HUB", "OPEN_CLIP", "TIMM"]


def _clip(request: ModelRequest) -> ImageTextEncoder:
    """Load CLIP with the variant and templates of the request; raises as ``load_clip`` does."""
    from ovseg.encoders.clip import ClipConfig, load_clip

    options: dict[str, Any] = {"variant": request.variant, "templates": request.templates}
    config = ClipConfig(**{key: value for key, value in options.items() if value})
    return load_clip(str(request.spec), request.context, config)


OPEN_CLIP = EncoderScheme(open_clip_card, read_backbone, _clip)
TIMM = EncoderScheme(timm_card, read_backbone, _clip)
HUB = EncoderScheme(hub_card, read_backbone, _clip)
FOLDER = EncoderScheme(file_card, read_backbone, _clip)
