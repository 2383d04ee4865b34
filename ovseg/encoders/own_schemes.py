"""The encoders that ovseg brings, by the prefix of their specs: open_clip, timm, the hub, folders."""

from __future__ import annotations

from ovseg.encoders.base import ImageTextEncoder
from ovseg.encoders.schemes import EncoderScheme, ModelRequest
from ovseg.encoders.sources import file_card, hub_card, open_clip_card, timm_card
from ovseg.encoders.visual.load import read_backbone
from ovseg.weights.cache import default_cache_dir

__all__ = ["FOLDER", "HUB", "OPEN_CLIP", "TIMM"]


def _clip(request: ModelRequest) -> ImageTextEncoder:
    """CLIP, read as the request says; raises as ``load_clip`` does."""
    from ovseg.encoders.clip import load_clip

    options = {"variant": request.variant, "templates": request.templates}
    return load_clip(
        str(request.spec),
        device=request.device,
        dtype=request.dtype,
        cache_dir=request.cache_dir or default_cache_dir(),
        **{key: value for key, value in options.items() if value},
    )


OPEN_CLIP = EncoderScheme(open_clip_card, read_backbone, _clip)
TIMM = EncoderScheme(timm_card, read_backbone, _clip)
HUB = EncoderScheme(hub_card, read_backbone, _clip)
FOLDER = EncoderScheme(file_card, read_backbone, _clip)
