"""Settings of pools and of retrieval from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ovseg.errors import ConfigError

__all__ = ["PoolConfig", "RetrievalConfig"]


@dataclass(frozen=True)
class PoolConfig:
    """What of each photo is encoded.

    Attributes:
        crops: Parts of a photo that are encoded beside the whole: 0, or a square number: so many windows on
            a grid that overlap a little. For photos of many things.

    Raises:
        ConfigError: A value is out of range.
    """

    crops: int = 0

    def __post_init__(self) -> None:
        if self.crops not in (0, 4, 9, 16):
            raise ConfigError(f"crops must be 0, 4, 9 or 16, not {self.crops}")

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-able values."""
        return asdict(self)


@dataclass(frozen=True)
class RetrievalConfig:
    """How photos are found for words.

    Attributes:
        templates: File of prompt templates (in ``prompts/templates``) whose embeddings are averaged, as in
            ReCo (section 3.1).
        candidates: Photos by embedding, for each one asked for, among which the best are looked for.
        cosine_weight: Candidates are put in the order of this times the cosine, plus the logarithm of the
            probability that the prompt head gives the words against all others; None: of the cosine alone.
        margin: Least logarithm of that probability over the best rival's; a photo below it shows something
            else. None rejects nothing.
        like: Cosine of texts from which a background word means the same as the words, and is no rival.
        distance: Bits of the perceptual hash up to which photos are near copies, of which the best ranked
            stays; None keeps all.

    Raises:
        ConfigError: A value is out of range.
    """

    templates: str = "imagenet7"
    candidates: int = 10
    cosine_weight: float | None = 20.0
    margin: float | None = 0.0
    like: float = 0.75
    distance: int | None = 6

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ConfigError(f"candidates must be at least 1, not {self.candidates}")
        if self.distance is not None and not 0 <= self.distance <= 64:
            raise ConfigError(f"distance must be between 0 and 64 bits, not {self.distance}")
        for name in ("margin", "like", "cosine_weight"):
            value = getattr(self, name)
            if value is not None and not abs(value) < float("inf"):
                raise ConfigError(f"{name} must be a finite number, not {value}")

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-able values."""
        return asdict(self)
