"""Settings of prototypes; every default written once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ovseg.errors import ConfigError

__all__ = ["VISUAL_KINDS", "PrototypeConfig"]

VISUAL_KINDS = ("class", "image", "part", "region")
"""Kinds that can be asked for; text prototypes are asked for by ``text``."""


@dataclass(frozen=True)
class PrototypeConfig:
    """Which prototypes a class gets from its patches.

    Attributes:
        kinds: Of foreground and background: the class mean, per-image means, parts, regions.
        parts: Most parts of a class (OVDiff's K).
        patches_per_part: A part needs so many patches on average.
        splits: Most regions into which the foreground of one image is split.
        patches_per_split: A region needs so many patches on average.
        background: Whether what is around the class makes prototypes too.
        clean: Cosine to another class's foreground prototype above which a background prototype is dropped;
            1 drops none.
        merge: Cosine to an earlier prototype of the same class above which a prototype is dropped as its
            double; 1 drops none.
        agreement: Whether images count in the class mean by how much they agree with each other.
        text: Whether names, synonyms and attributes make prototypes too.
        seed: Of k-means.

    Raises:
        ConfigError: A value is out of range.
    """

    kinds: tuple[str, ...] = VISUAL_KINDS
    parts: int = 32
    patches_per_part: int = 8
    splits: int = 3
    patches_per_split: int = 24
    background: bool = True
    clean: float = 0.85
    merge: float = 0.995
    agreement: bool = True
    text: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in VISUAL_KINDS:
                raise ConfigError(f"kinds must be among {', '.join(VISUAL_KINDS)}, not {kind!r}")
        for name in ("parts", "patches_per_part", "splits", "patches_per_split"):
            if not 1 <= getattr(self, name) <= 4096:
                raise ConfigError(f"{name} must be between 1 and 4096, not {getattr(self, name)}")
        for name in ("clean", "merge"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be a cosine above 0, at most 1, not {getattr(self, name)}")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed must be between 0 and 2^32 - 1, not {self.seed}")

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-able values."""
        return asdict(self) | {"kinds": list(self.kinds)}
