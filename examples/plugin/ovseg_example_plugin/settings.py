"""Settings: frozen dataclasses with a default and a ``help`` a field, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field

from ovseg.errors import ConfigError


@dataclass(frozen=True)
class ColourSettings:
    """Of the encoders ``example:lab`` and ``example:words``."""

    patch: int = field(default=16, metadata={"help": "Side of a patch in pixels."})
    softness: float = field(default=15.0, metadata={"help": "Lab distance at which a colour fades."})

    def __post_init__(self) -> None:
        if not 4 <= self.patch <= 64:
            raise ConfigError(f"patch must be between 4 and 64 pixels, not {self.patch}")
        if not 0 < self.softness < float("inf"):
            raise ConfigError(f"softness must be above 0, not {self.softness}")


@dataclass(frozen=True)
class CountSettings:
    """Of the format ``class-counts``."""

    separator: str = field(default=",", metadata={"help": "What stands between columns."})
    background: bool = field(default=True, metadata={"help": "Whether background has a column."})

    def __post_init__(self) -> None:
        if len(self.separator) != 1 or self.separator in '"\r\n':
            raise ConfigError(f"separator must be one character, no quote or line end: {self.separator!r}")


@dataclass(frozen=True)
class PaintedSettings:
    """Of the data set ``painted``."""

    void: tuple[int, int, int] = field(
        default=(0, 0, 0), metadata={"help": "RGB of pixels of which nothing is said."}
    )


@dataclass(frozen=True)
class SwatchSettings:
    """Of the support source ``swatches``."""

    side: int = field(default=224, metadata={"help": "Side of the pictures in pixels."})
    seed: int = field(default=0, metadata={"help": "Seed of sizes, places and noise."})

    def __post_init__(self) -> None:
        if not 32 <= self.side <= 1024 or self.seed < 0:
            raise ConfigError("side must be between 32 and 1024 pixels, and seed at least 0")
