"""Settings of finding a class in its support pictures; kept apart so that no help waits for torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ovseg.errors import ConfigError

__all__ = ["SupportConfig"]


@dataclass(frozen=True)
class SupportConfig:
    """How support regions are found.

    Attributes:
        cosegment: Whether pictures of a class are compared with each other; if not, each stands alone.
        text: Probability of the class that its best patch must reach for a picture to show it.
        low: Share of a map's best value below which a patch is surely not the class (OVDiff: 0.2).
        high: Share of a map's best value above which it is, where no object is found (OVDiff: 0.5).
        object: Foreground evidence above which connected patches are a candidate object.
        agreement: Share of the pictures' median likeness to each other that a picture's seed must reach.
        least_cover: Smallest share of a picture that a region may cover.
        most_cover: Largest share for a thing; stuff may fill the picture.

    Raises:
        ConfigError: A value is out of range.
    """

    cosegment: bool = True
    text: float = 0.2
    low: float = 0.2
    high: float = 0.5
    object: float = 0.5
    agreement: float = 0.5
    least_cover: float = 0.004
    most_cover: float = 0.9

    def __post_init__(self) -> None:
        for name in ("text", "low", "high", "object", "least_cover", "most_cover"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"support.{name} must be between 0 and 1, not {getattr(self, name)}")
        if self.low > self.high:
            raise ConfigError(f"support.low must not be above support.high, not {self.low} and {self.high}")

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-able values."""
        return asdict(self)
