"""What a bank is made of: the same recipe gives the same bank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.encoders.presets import Encoders
from ovseg.pipeline.encode import EncodedImage
from ovseg.support.base import SupportSource
from ovseg.support.config import BankConfig
from ovseg.support.filters import PhotoFilter
from ovseg.version import __version__
from ovseg.vocabulary import Vocabulary

__all__ = ["BankBuildSpec"]


@dataclass(frozen=True)
class BankBuildSpec:
    """All that decides what a bank becomes.

    Attributes:
        vocabulary: The classes.
        source: Where their support images come from.
        encoders: A loaded preset.
        config: How to build.
        photo_filter: Images to use or not to use.
        encode: Encodes support images where somebody keeps encodings; None: the encoders do.
        root: Folder below which the source's photos lie by their names, which the bank then records, so that
            they are found again; None: it does not. The bank is no other one for it.
    """

    vocabulary: Vocabulary
    source: SupportSource
    encoders: Encoders
    config: BankConfig = field(default_factory=BankConfig)
    photo_filter: PhotoFilter = field(default_factory=PhotoFilter)
    encode: Callable[[npt.NDArray[np.uint8]], EncodedImage] | None = None
    root: Path | None = None
    source_settings: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> dict[str, Any]:
        """It as JSON, by which a bank that is there or begun is known; may read every file of the source."""
        own = {"settings": dict(self.source_settings)} if self.source_settings else {}
        return {
            "ovseg": __version__,
            "preset": self.encoders.preset,
            "spaces": self.encoders.fingerprints(),
            "vocabulary": self.vocabulary.hash,
            "source": self.source.describe() | own,
            "settings": self.config.to_dict(),
            "allow": list(self.photo_filter.allow),
            "deny": list(self.photo_filter.deny),
        }
