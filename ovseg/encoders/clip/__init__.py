"""image-text encoder through open_clip: its architectures and weights, read densely in several published
ways.
"""

from ovseg.encoders.clip.encoder import ClipEncoder, load_clip

__all__ = ["ClipEncoder", "load_clip"]
