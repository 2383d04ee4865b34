"""Image-text encoders of open_clip; patch features by one of several published dense variants."""

from ovseg.encoders.clip.encoder import ClipConfig, ClipEncoder, load_clip

__all__ = ["ClipConfig", "ClipEncoder", "load_clip"]
