"""Role *names* through open_clip: its architectures and weights, read densely in several published ways."""

from ovseg.encoders.clip.encoder import ClipEncoder, load_clip
from ovseg.encoders.clip.spec import ClipSpec

__all__ = ["ClipEncoder", "ClipSpec", "load_clip"]
