"""Settings of building a bank; every default written once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ovseg.config import SegmentConfig
from ovseg.discovery.support_config import SupportConfig
from ovseg.errors import ConfigError
from ovseg.prototypes.config import PrototypeConfig

__all__ = ["BankConfig"]


@dataclass(frozen=True)
class BankConfig:
    """How a bank is built.

    Attributes:
        shots: Support images a class.
        image_size: Shorter side in pixels at which the encoders see them; as when segmenting.
        frame: Cells by which their edges are continued around them while they are encoded, and which are
            then dropped: for objects that fill their pictures, whose cells would else be all next to the edge
            of what the encoder sees, as those of a scene are not.
        support: How the class is found in them.
        prototypes: What is made of it.

    Raises:
        ConfigError: A value is out of range.
    """

    shots: int = 16
    image_size: int = SegmentConfig.image_size
    frame: int = 0
    support: SupportConfig = field(default_factory=SupportConfig)
    prototypes: PrototypeConfig = field(default_factory=PrototypeConfig)

    def __post_init__(self) -> None:
        if not 1 <= self.shots <= 10_000:
            raise ConfigError(f"shots must be between 1 and 10000, not {self.shots}")
        if not 0 <= self.frame <= 32:
            raise ConfigError(f"frame must be between 0 and 32, not {self.frame}")

    @property
    def encoding(self) -> SegmentConfig:
        """How images are encoded."""
        return SegmentConfig(image_size=self.image_size)

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-able values."""
        return asdict(self) | {"prototypes": self.prototypes.to_dict()}
