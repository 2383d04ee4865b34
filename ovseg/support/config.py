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
        support: How the class is found in them.
        prototypes: What is made of it.

    Raises:
        ConfigError: A value is out of range.
    """

    shots: int = 16
    image_size: int = SegmentConfig.image_size
    support: SupportConfig = field(default_factory=SupportConfig)
    prototypes: PrototypeConfig = field(default_factory=PrototypeConfig)

    def __post_init__(self) -> None:
        if not 1 <= self.shots <= 10_000:
            raise ConfigError(f"shots must be between 1 and 10000, not {self.shots}")

    @property
    def encoding(self) -> SegmentConfig:
        """How images are encoded."""
        return SegmentConfig(image_size=self.image_size)

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-able values."""
        return asdict(self) | {"prototypes": self.prototypes.to_dict()}
