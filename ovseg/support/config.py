"""Settings of building a bank; every default written once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ovseg.config import EncodingConfig, FusionConfig
from ovseg.discovery.support_config import SupportConfig
from ovseg.errors import ConfigError
from ovseg.prototypes.config import PrototypeConfig

__all__ = ["BankConfig"]


@dataclass(frozen=True)
class BankConfig:
    """How a bank is built.

    Attributes:
        shots: Support images a class.
        encoding: How they are encoded; as when segmenting.
        fusion: How the text scores of their patches come about; as when segmenting.
        support: How the class is found in them.
        prototypes: What is made of it.

    Raises:
        ConfigError: A value is out of range.
    """

    shots: int = 16
    encoding: EncodingConfig = field(default_factory=EncodingConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    support: SupportConfig = field(default_factory=SupportConfig)
    prototypes: PrototypeConfig = field(default_factory=PrototypeConfig)

    def __post_init__(self) -> None:
        if not 1 <= self.shots <= 10_000:
            raise ConfigError(f"shots must be between 1 and 10000, not {self.shots}")

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON-able values."""
        parts = {"encoding": self.encoding.to_dict(), "prototypes": self.prototypes.to_dict()}
        return asdict(self) | parts
