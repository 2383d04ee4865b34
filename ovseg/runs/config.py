"""How a run over many images goes about its work; every default stands here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ovseg.errors import ConfigError
from ovseg.images import ImageLimits
from ovseg.overrides import INTERNAL


@dataclass(frozen=True)
class RunConfig:
    """What a run does beside segmenting.

    Attributes:
        formats: Output formats, by their names in ``ovseg.outputs.FORMATS``.
        batch_size: Images that go through the encoders together; 0: 1 on a CPU, 8 on an accelerator.
        workers: Threads that decode, and as many that write.
        limit: Only the first so many images; None: all.
        shard: (i, n): only every n-th image, starting with the i-th, counted from 1.
        overwrite: Clear a run of another configuration instead of refusing its folder.
        fail_fast: Stop at the first image that cannot be read.
        images: How large images may be.
        options: Settings by format, instances of what formats declare (``ovseg.registry.Offer``); defaults
            elsewhere.

    Raises:
        ConfigError: A value is out of range.
    """

    formats: tuple[str, ...] = ("png", "overlay", "html")
    batch_size: int = 0
    workers: int = 2
    limit: int | None = None
    shard: tuple[int, int] = (1, 1)
    overwrite: bool = False
    fail_fast: bool = False
    images: ImageLimits = field(default_factory=ImageLimits)
    options: Mapping[str, Any] = field(default_factory=dict, metadata={INTERNAL: True})

    def __post_init__(self) -> None:
        if not self.formats:
            raise ConfigError("formats is empty: name at least one output format")
        if len(set(self.formats)) < len(self.formats):
            raise ConfigError(f"formats names one twice: {', '.join(self.formats)}")
        least = {"batch_size": 0, "workers": 1, "limit": 1}
        for name, value in ((name, getattr(self, name)) for name in least):
            if value is not None and value < least[name]:
                raise ConfigError(f"{name} must be at least {least[name]}, not {value}")
        for name in ("working_pixels", "bomb_pixels"):
            if getattr(self.images, name) < 1:
                raise ConfigError(f"images.{name} must be at least 1, not {getattr(self.images, name)}")
        number, count = self.shard
        if not 1 <= number <= count:
            raise ConfigError(f"shard must be I/N with I from 1 to N, not {number}/{count}")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON-able values."""
        entry = asdict(self)
        if not self.options:
            del entry["options"]
        return entry

    def changed_options(self) -> dict[str, Any]:
        """Settings of formats that are not at their defaults, on which outputs depend; JSON-able."""
        changed = {name: asdict(own) for name, own in self.options.items() if own != type(own)()}
        return {"formats": changed} if changed else {}


def parse_shard(text: str) -> tuple[int, int]:
    """Read ``"2/8"`` as (2, 8).

    Raises:
        ConfigError: It is not two whole numbers with a slash between.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal()):
        raise ConfigError(f"shard must be I/N with I from 1 to N, not {text!r}")
    return int(number), int(count)
