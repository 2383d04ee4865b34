"""What a bank is built from, and what became of each of its classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.encoders.presets import Preset
from ovseg.matching.encoded_image import EncodedImage
from ovseg.prototypes import PrototypeBank
from ovseg.support.base import SupportSource
from ovseg.support.config import BankConfig
from ovseg.support.filters import PhotoFilter
from ovseg.version import __version__
from ovseg.vocabulary import Vocabulary

__all__ = ["BankBuild", "BankBuildSpec", "ClassReport", "Encode"]

Encode = Callable[[npt.NDArray[np.uint8]], EncodedImage]
"""(H, W, 3) uint8 RGB pixels to their encoding."""


@dataclass(frozen=True)
class BankBuildSpec:
    """All that decides what a bank becomes: equal specs build equal banks.

    Attributes:
        vocabulary: The classes.
        source: Where their support images come from.
        encoders: A loaded preset.
        config: How to build.
        photo_filter: Images to use or not to use.
        encode: Encodes support images where encodings are kept; None: the encoders do.
        root: Folder below which the source's photos lie by their names, which the bank then records, so that
            they are found again; None: it does not. The bank is no other one for it.
        source_settings: The settings that the source declares, where it is a plug-in that has some.
    """

    vocabulary: Vocabulary
    source: SupportSource
    encoders: Preset
    config: BankConfig = field(default_factory=BankConfig)
    photo_filter: PhotoFilter = field(default_factory=PhotoFilter)
    encode: Encode | None = None
    root: Path | None = None
    source_settings: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> dict[str, Any]:
        """Return it as JSON, which identifies a finished or begun bank; may read all files of the source."""
        own = {"settings": dict(self.source_settings)} if self.source_settings else {}
        return {
            "ovseg": __version__,
            "preset": self.encoders.name,
            "spaces": self.encoders.fingerprints(),
            "vocabulary": self.vocabulary.hash,
            "source": self.source.describe() | own,
            "settings": self.config.to_dict(),
            "allow": list(self.photo_filter.allow),
            "deny": list(self.photo_filter.deny),
        }


@dataclass(frozen=True)
class ClassReport:
    """The outcome for one class.

    Attributes:
        name: The class.
        used: Images that prototypes were made of.
        rejected: (name of the image, reason) of the others.
        prototypes: Their number, before cleaning.
    """

    name: str
    used: int
    rejected: tuple[tuple[str, str], ...]
    prototypes: int

    def line(self) -> str:
        """Return it in one line, for the user."""
        return f"{self.name}: {self.summary()}"

    def summary(self) -> str:
        """Return the line without the name, for a page that has it as its heading."""
        found = self.used + len(self.rejected)
        text = f"{self.used} of {found} images used, {self.prototypes} prototypes"
        if not found:
            text = "no support image found"
        reasons = [f"{name} ({reason})" for name, reason in self.rejected[:3]]
        more = f" and {len(self.rejected) - 3} more" if len(self.rejected) > 3 else ""
        return text + (f"; rejected {', '.join(reasons)}{more}" if reasons else "")

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, for the bank's metadata."""
        rejected = [list(pair) for pair in self.rejected]
        return {"name": self.name, "used": self.used, "rejected": rejected, "prototypes": self.prototypes}

    @classmethod
    def from_json(cls, entry: Any) -> ClassReport:
        """Read it from the metadata of a bank that this ovseg wrote."""
        rejected = tuple((str(name), str(reason)) for name, reason in entry["rejected"])
        return cls(str(entry["name"]), int(entry["used"]), rejected, int(entry["prototypes"]))


@dataclass(frozen=True)
class BankBuild:
    """A bank that was built.

    Attributes:
        bank: The bank.
        reports: What became of each class.
        resumed: Classes that an earlier call had done.
    """

    bank: PrototypeBank
    reports: tuple[ClassReport, ...]
    resumed: int = 0

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Names of classes without a single support image."""
        return tuple(report.name for report in self.reports if not report.used)
